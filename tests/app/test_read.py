"""The read verb's longer intervals and events, from a virtual module that plays a recording."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from app.output import Output, Refused
from app.readings_measurement import measurement_of
from app.stopping import Stop
from app.verbs.read import _Reader
from device_io.source import LinkError, LinkErrorKind, LinkPhase, LinkState, Readings
from device_io.virtual_module.module import VirtualModule
from dsp.signalling import HIGHEST_HZ
from tests.fakes.command_line import Simulation, json_lines, run_verb
from tests.fakes.comtrade_writer import three_phase

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def dipping(tmp_path: Path) -> Path:
    """2 s at 4 kHz; all voltages at 60 % from 1.0 s to 1.2 s."""
    fake = three_phase(8000, 4000.0, 50.0)
    t = np.arange(8000) / 4000.0
    for channel in fake.channels:
        if channel.unit == "V":
            channel.values = channel.values * np.where((t >= 1.0) & (t < 1.2), 0.6, 1.0)
    return fake.write(tmp_path)


def test_three_seconds_with_events(dipping: Path) -> None:
    with Simulation("--usb", "--replay", str(dipping)) as module:
        options = ("--every", "3s", "--events", "--signalling", "1000", "--count", "1", "--json")
        done = run_verb("read", module.told["usb"], *options)
        shown = run_verb("read", module.told["usb"], "--count", "1")
    assert done.returncode == 0, done.stderr
    lines = json_lines(done.stdout)
    (found,) = [line for line in lines if "window" in line]
    assert found["window"] == "150/180-cycle"
    assert "dip" in found["flags"]
    assert found["values"]["MSV1"] is not None
    dips = [line for line in lines if line.get("event") == "dip"]
    dip = dips[-1]  # in 3 s there is a whole one; reading may have begun in the one before
    assert dip["channels"] == ["V1", "V2", "V3"]
    assert dip["depth_pct"] == pytest.approx(40.0, abs=1.0)
    assert dip["duration_s"] == pytest.approx(0.2, abs=0.021)
    assert shown.returncode == 0, shown.stderr
    assert "sample clock" in shown.stdout


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--every", "1min"),
        ("--signalling", f"{HIGHEST_HZ}"),
        ("--demand-current", "-1"),
        ("--nominal-voltage", "inf"),
        ("--lamp", "100"),
    ],
)
def test_wrong_usage(option: str, value: str) -> None:
    done = run_verb("read", "usb:/dev/ttyNOPE", f"{option}={value}")
    assert (done.returncode, done.stdout) == (2, "")
    assert option in done.stderr


def test_readings_alone_make_no_longer_intervals() -> None:
    with Simulation("--rs485") as module:
        refused = run_verb("read", module.told["rs485"], "--every", "10min", "--count", "1", "--json")
        windows = run_verb("read", module.told["rs485"], "--events", "--count", "2", "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "no waveform" in refused.stderr.splitlines()[-1]
    assert [line["window"] for line in json_lines(windows.stdout)] == ["10/12-cycle"] * 2
    assert "Events can't be seen" in windows.stderr


def test_a_module_that_stands_twice_in_a_group_is_refused() -> None:
    done = run_verb("read", "usb:/dev/none1", "usb:/dev/none2", "usb:/dev/none2?baud=921600")
    assert done.returncode == 1
    assert done.stderr == "The same module stands twice in the group. Choose three different ones.\n"


def test_a_group_has_no_number_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    reader = _Reader(Output(as_json=True, stop=Stop()), longer=False, events=False)
    module = VirtualModule("clean", system="1P").info
    reader.on_identity(module._replace(eui=None, system="3P", firmware="1.0.0"))
    reader.on_identity(module._replace(eui="0253454E7D9AE7BB", firmware="1.0.0"))
    assert capsys.readouterr().err.splitlines() == [
        "Group of three modules, 3P, firmware 1.0.0.",
        "Module 0253454E7D9AE7BB, 1P, firmware 1.0.0.",
    ]


@pytest.mark.parametrize("streams", [False, True])
def test_a_link_that_came_back_is_waited_for_no_longer(streams: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Readings come as soon as it is connected; a waveform does not until it streams."""
    info = VirtualModule("clean", "1P").info
    if not streams:
        info = info._replace(capabilities=frozenset({"readings", "settings"}))
    reader = _Reader(Output(as_json=True, stop=Stop()), longer=False, events=False)
    reader.on_identity(info)
    reader.on_state(LinkState(LinkPhase.LOST, "x", LinkError(LinkErrorKind.UNPLUGGED, "It is gone.")))
    reader.on_state(LinkState(LinkPhase.CONNECTED, "x"))
    threading.Timer(
        0.5, lambda: reader.on_measurement(measurement_of(Readings(5_000_000, 10**18, {"V1r": 230.0}), info))
    ).start()
    if streams:
        with pytest.raises(Refused, match="It is gone"):
            reader.print_measurements(1, 0.0)
    else:
        reader.print_measurements(1, 0.0)
        assert json_lines(capsys.readouterr().out)[0]["values"]["V1r"] == 230.0
