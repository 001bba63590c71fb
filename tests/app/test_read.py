"""The read verb's longer intervals and events, from a virtual module that plays a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsp.signalling import HIGHEST_HZ
from tests.fakes.command_line import Simulation, json_lines, run_verb
from tests.fakes.comtrade_writer import three_phase


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
    assert dips
    for dip in dips:
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
