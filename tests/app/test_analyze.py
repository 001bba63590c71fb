"""The analyze verb: real records, written ones with known values, and everything that is refused."""

from __future__ import annotations

import math
import signal
from pathlib import Path

import numpy as np
import pytest

from app.cli import main
from app.output import WrongUsage
from app.verbs.analyze import INTERVALS, analyze_record, parse_channels
from device_io.comtrade import open_comtrade
from resources.parameters import keys_for
from tests.fakes.command_line import json_lines, run_verb
from tests.fakes.comtrade_writer import three_phase

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
KEATING = DATA / "keating" / "keating_1999.CFG"
OITA = DATA / "oita" / "Comtrade1.cfg"
HV = "V1=HV Bus VR,V2=HV Bus VS,V3=HV Bus VT,I1=HV IR,I2=HV IS,I3=HV IT"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings (../shared/data) are not on this machine")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        code = main(["analyze", *map(str, arguments)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    caught = capsys.readouterr()
    assert "Traceback" not in caught.err
    return code, caught.out, caught.err


@needs_data
def test_keating() -> None:
    done = run_verb("analyze", str(KEATING), "--json")
    assert done.returncode == 0
    (line,) = json_lines(done.stdout)
    assert (line["window"], line["flags"], line["system"], line["module"]) == ("record", ["short"], "3P", None)
    assert line["band"] == {"trusted_to": 40, "indicative_to": 40, "thd_to": 40}
    assert line["time"] == "2015-11-18T05:33:03.832Z"
    values = line["values"]
    assert list(values) == list(keys_for("3P"))
    with open_comtrade(KEATING) as record:
        samples = np.concatenate([block for _, block in record.blocks()])
    spectrum = np.abs(np.fft.rfft(samples, axis=0)) * math.sqrt(2) / len(samples)  # 4 cycles: order h in bin 4 h
    rms = np.sqrt(np.mean(samples**2, axis=0))
    for column, key in enumerate(("V1", "V2", "V3", "I1", "I2", "I3")):
        assert values[f"{key}r"] == pytest.approx(rms[column], rel=1e-3)
    for p in (1, 2, 3):
        orders = spectrum[4:164:4, p - 1]
        thd_pct = 100 * math.sqrt(float(np.sum(orders[1:] ** 2))) / orders[0]
        assert values[f"THV{p}"] == pytest.approx(thd_pct, abs=0.1)
        assert 1.15 < values[f"THV{p}"] < 1.35
    assert values["Fqai"] == pytest.approx(60.0, abs=0.1)
    assert values["Pc"] == pytest.approx(float(np.mean(np.sum(samples[:, :3] * samples[:, 3:], axis=1))), rel=2e-3)
    assert "I4" in done.stderr


@needs_data
def test_keating_for_people() -> None:
    done = run_verb("analyze", str(KEATING))
    assert done.returncode == 0
    for text in ("348.9", "352.2", "345.9", "126.1", "151.8", "166.7", "1.3", "short"):
        assert text in done.stdout


@needs_data
def test_oita(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, OITA)
    assert (code, out) == (1, "")
    assert "--channels V1=NAME" in err
    code, out, _ = run(capsys, OITA, "--channels", HV, "--json")
    assert code == 0
    lines = json_lines(out)
    assert len(lines) == 29  # whole windows in 6 s at just under 60 Hz
    assert lines[0]["time"].startswith("2023-07-27T00:19:53.3")
    for line in lines:
        assert line["values"]["Fqai"] == pytest.approx(60.0, abs=0.1)
        assert line["values"]["V1r"] == pytest.approx(130.6e3, rel=5e-3)
        assert line["band"]["trusted_to"] == 8
        assert line["values"]["1V10"] is None
    assert lines[2]["values"]["I1r"] > 150
    assert lines[-1]["values"]["I1r"] < 10  # the load was switched off


@pytest.mark.parametrize(("rate_hz", "frequency_hz"), [(4000.0, 50.0), (4000.0, 49.5), (10240.0, 60.0), (1200.0, 60.0)])
def test_known_values(tmp_path: Path, rate_hz: float, frequency_hz: float) -> None:
    path = three_phase(int(rate_hz), rate_hz, frequency_hz, revision=2013, format="FLOAT32").write(tmp_path)
    with open_comtrade(path) as record:
        measurements = list(analyze_record(record))
        start_ns = record.start_utc_ns
    cycles = 12 if frequency_hz == 60 else 10
    assert len(measurements) == (4 if frequency_hz == 49.5 else 5)
    for number, measurement in enumerate(measurements, 1):
        assert measurement.flags == ()
        assert measurement.system == "3P+N"
        duration_s = cycles / frequency_hz
        assert measurement.end_ns - start_ns == pytest.approx(number * duration_s * 1e9, abs=2e7)
        values = measurement.values
        expected = {
            "Fqai": frequency_hz,
            "V1r": 230.0,
            "V23r": 230.0 * math.sqrt(3),
            "I2r": math.hypot(10.0, math.sqrt(2)),
            "INr": 6 / math.sqrt(2),
            "P3": 2300 * math.cos(0.3),
            "Pc": 6900 * math.cos(0.3),
            "THI1": 10 * math.sqrt(2),
            "3I3": 10 * math.sqrt(2),
        }
        for key, value in expected.items():
            assert values[key] == pytest.approx(value, rel=1e-3), key
        assert values["1V5"] == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(("count", "window", "flags"), [(300, "record", ("short",)), (801, "10/12-cycle", ())])
def test_short_records(tmp_path: Path, count: int, window: str, flags: tuple[str, ...]) -> None:
    with open_comtrade(three_phase(count).write(tmp_path)) as record:
        (measurement,) = analyze_record(record)
    assert (measurement.window, measurement.flags) == (window, flags)
    assert measurement.values["V1r"] == pytest.approx(230.0, rel=1e-3)


def test_missing_samples_are_a_gap(tmp_path: Path) -> None:
    fake = three_phase(8000)
    fake.channels[4].missing = range(3000, 3004)
    with open_comtrade(fake.write(tmp_path)) as record:
        measurements = list(analyze_record(record))
    (gap,) = [m for m in measurements if "gap" in m.flags]
    assert gap.samples_lost == 4
    assert gap.values.get("V1r") is None
    assert len(measurements) > 6


def test_system_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = three_phase(1700).write(tmp_path)
    for system in ("1P", "3P", "1P+N"):
        code, out, _ = run(capsys, path, "--system", system, "--json")
        assert code == 0
        line = json_lines(out)[0]
        assert line["system"] == system
        assert list(line["values"]) == list(keys_for(system))  # type: ignore[arg-type]
    code, out, err = run(capsys, three_phase(900, names=("V1", "I1")).write(tmp_path, "one"), "--system", "3P")
    assert (code, out) == (1, "")
    assert "needs V2, V3" in err


def test_without_currents_and_without_neutral(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, three_phase(900, names=("V1", "V2", "V3")).write(tmp_path), "--json")
    assert code == 0
    values = json_lines(out)[0]["values"]
    assert values["V1r"] == pytest.approx(230, rel=1e-3)
    assert values["I1r"] is None
    assert values["Pc"] is None
    path = three_phase(900, names=("V1", "V2", "V3", "I1", "I2", "I3")).write(tmp_path)
    code, out, _ = run(capsys, path, "--system", "3P+N", "--json")
    assert code == 0
    values = json_lines(out)[0]["values"]
    assert values["INr"] is None
    assert values["u0"] == pytest.approx(0, abs=0.05)


def test_a_fourth_current_that_follows_the_sum_is_the_neutral(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = three_phase(900, names=("U1", "U2", "U3", "I1", "I2", "I3", "I4"))
    fake.channels[6].values = -fake.channels[6].values + 3.0
    code, out, err = run(capsys, fake.write(tmp_path), "--json")
    assert code == 0
    assert json_lines(out)[0]["system"] == "3P+N"
    assert "taken as IN" in err


def test_a_slow_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, three_phase(500, 20.0).write(tmp_path))
    assert (code, out) == (1, "")
    assert "20 samples a second" in err


def test_a_record_with_a_dead_channel_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fake = three_phase(900)
    fake.channels[0].missing = range(900)
    code, out, err = run(capsys, fake.write(tmp_path))
    assert (code, out) == (1, "")
    assert "samples are missing" in err


def test_one_clear_sentence_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = three_phase(900).write(tmp_path)
    data = whole.with_suffix(".dat").read_bytes()
    whole.with_suffix(".dat").write_bytes(data[: len(data) // 2])
    (tmp_path / "photo.cfg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    (tmp_path / "empty.cfg").touch()
    (tmp_path / "sound.wav").write_bytes(b"RIFF")
    for name, words in (
        ("record.cfg", "of 900 samples: it is cut"),
        ("photo.cfg", "not a COMTRADE"),
        ("empty.cfg", "is empty"),
        ("sound.wav", ".cfg with its .dat"),
        ("nothing.cfg", "There is no file"),
    ):
        code, out, err = run(capsys, tmp_path / name, "--json")
        assert (code, out) == (1, "")
        assert words in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--every", "hour"], "hour"),
        (["--nominal-voltage", "0"], "--nominal-voltage"),
        (["--nominal-voltage", "nan"], "--nominal-voltage"),
        (["--nominal-frequency", "55"], "--nominal-frequency"),
        (["--system", "2P"], "2P"),
        (["--lamp", "100"], "--lamp"),
        (["--signalling", "0"], "--signalling"),
        (["--signalling", "3000"], "--signalling"),
        (["--signalling", "nan"], "--signalling"),
        (["--demand-current", "0"], "--demand-current"),
        (["--demand-current", "inf"], "--demand-current"),
        (["--channels", "V1"], "V1=NAME"),
        (["--channels", ""], "V1=NAME"),
        (["--channels", "V1=A,v1=B"], "V1 twice"),
    ],
)
def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str) -> None:
    code, out, err = run(capsys, three_phase(900).write(tmp_path), *arguments)
    assert (code, out) == (2, "")
    assert words in err


def record_with_a_dip(folder: Path, *, volts: float = 230.0, declared: str = "") -> Path:
    """24 s from 17:59:52.5 UTC on; all voltages at 60 % from 4.2 s to 4.5 s."""
    fake = three_phase(48_000, 2000.0, 50.02, names=("V1", "V2", "V3"), revision=2013, format="FLOAT32")
    fake.start, fake.trigger = "18/11/2015,17:59:52.500000", "18/11/2015,17:59:52.500000"
    t = np.arange(48_000) / 2000.0
    for channel in fake.channels:
        channel.values = channel.values * np.where((t >= 4.2) & (t < 4.5), 0.6, 1.0) * volts / 230.0
    return fake.write(folder, f"dip{volts:.0f}{declared}")


def test_every_interval_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, record_with_a_dip(tmp_path), "--every", "all", "--events", "--json")
    assert (code, err.count("\n")) == (0, 1)
    lines = json_lines(out)
    found = {name: [line for line in lines if line.get("window") == name] for name in INTERVALS["all"]}
    (event,) = [line for line in lines if "event" in line]
    assert list(event) == ["event", "start", "duration_s", "residual_v", "depth_pct", "channels"]
    assert event["event"] == "dip"
    assert event["start"].startswith("2015-11-18T17:59:56.7")
    assert event["duration_s"] == pytest.approx(0.3, abs=0.021)
    assert event["residual_v"] == pytest.approx(138.0, rel=4e-3)
    assert event["depth_pct"] == pytest.approx(40.0, abs=0.4)
    assert event["channels"] == ["V1", "V2", "V3"]

    assert [(line["time"], line["flags"]) for line in found["10min"]] == [
        ("2015-11-18T18:00:00.000Z", ["dip", "short"]),
        ("2015-11-18T18:00:16.393Z", ["short"]),
    ]
    assert [line["flags"] for line in found["2h"]] == [["dip", "short"], ["short"]]
    assert [(line["time"][11:], line["flags"]) for line in found["10s"]] == [
        ("18:00:00.000Z", ["dip", "short"]),
        ("18:00:10.000Z", []),
        ("18:00:16.393Z", ["short"]),
    ]
    for line in found["10s"]:
        assert line["values"]["Fq10"] == pytest.approx(50.02, abs=1e-4)
        assert line["values"]["V1r"] is None
    assert sum("dip" in line["flags"] for line in found["10/12-cycle"]) in (2, 3)
    clean = [
        line for line in lines if "values" in line and not {"dip"} & set(line["flags"]) and line["window"] != "10s"
    ]
    assert len(clean) > 100
    for line in clean:
        assert line["values"]["V2r"] == pytest.approx(230.0, rel=1e-4)
        assert list(line["values"]) == list(keys_for("3P"))
    dipped = found["10min"][0]["values"]["V1r"]
    windows_v = [line["values"]["V1r"] for line in found["10/12-cycle"] if line["time"] < "2015-11-18T18:00:00.2"]
    assert dipped == pytest.approx(math.sqrt(np.mean(np.square(windows_v))), rel=1e-9)


@pytest.mark.parametrize("every", ["3s", "10s", "10min", "2h"])
def test_one_interval_only(tmp_path: Path, capsys: pytest.CaptureFixture[str], every: str) -> None:
    code, out, _ = run(capsys, record_with_a_dip(tmp_path), "--every", every, "--json")
    assert code == 0
    assert {line["window"] for line in json_lines(out)} == set(INTERVALS[every])


def test_what_values_refer_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Signalling and TDD exist where they are asked for."""
    fake = three_phase(2000, 4000.0, 50.0)
    t = np.arange(2000) / 4000.0
    for channel in fake.channels:
        if channel.unit == "V":
            channel.values = channel.values + math.sqrt(2) * 3.5 * np.cos(2 * math.pi * 1050.0 * t)
    path = fake.write(tmp_path)
    found = []
    for options in ((), ("--signalling", "1050", "--demand-current", "40")):
        code, out, _ = run(capsys, path, "--json", *options)
        assert code == 0
        found.append(json_lines(out)[0]["values"])
    without, asked = found
    assert (without["MSV1"], without["TDD1"]) == (None, None)
    assert asked["MSV1"] == pytest.approx(3.5, rel=0.02)
    assert asked["TDD1"] == pytest.approx(
        asked["THI1"] * asked["I1r"] / math.hypot(1, asked["THI1"] / 100) / 40, rel=1e-3
    )


def test_events_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, record_with_a_dip(tmp_path), "--every", "10min", "--events")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "  dip  " in line]
    for part in ("2015-11-18T17:59:56.7", "0.3", "V (40.", "% below)", "V1, V2, V3"):
        assert part in line
    assert "Pst: L1 n/a, L2 n/a, L3 n/a" in out
    assert "% of it measured" in out


def test_events_behind_the_last_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """2.15 s: the last window ends at 2 s."""
    fake = three_phase(8600, 4000.0, 50.0)
    t = np.arange(8600) / 4000.0
    for channel in fake.channels:
        if channel.unit == "V":
            channel.values = channel.values * np.where((t >= 2.035) & (t < 2.085), 0.5, 1.0)
    code, out, _ = run(capsys, fake.write(tmp_path), "--events", "--json")
    assert code == 0
    (event,) = [line for line in json_lines(out) if "event" in line]
    assert event["event"] == "dip"
    assert event["depth_pct"] == pytest.approx(50.0, abs=0.5)
    assert event["duration_s"] == pytest.approx(0.05, abs=0.021)


@pytest.mark.parametrize(("lost", "flag"), [((), "unfinished"), (range(8400, 8500), "gap")])
def test_an_event_whose_end_was_not_seen_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lost: range, flag: str
) -> None:
    fake = three_phase(8600 if not lost else 12_000, 4000.0, 50.0)
    for channel in fake.channels:
        if channel.unit == "V":
            channel.values = channel.values * np.where(np.arange(len(channel.values)) / 4000.0 >= 2.035, 0.5, 1.0)
            channel.missing = list(lost)
    record = fake.write(tmp_path)
    code, out, _ = run(capsys, record, "--events", "--json")
    assert code == 0
    events = [line for line in json_lines(out) if "event" in line]
    assert events[0]["flags"] == [flag]
    _, text, _ = run(capsys, record, "--events")
    words = {"unfinished": "not over when the record ends", "gap": "samples are missing from its end on"}[flag]
    assert words in next(line for line in text.splitlines() if "  dip  " in line)


def test_the_declared_voltage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """120 V and medium voltage refer to themselves unless told otherwise."""
    for volts, name in ((120.0, "120"), (11_500.0, "11500")):
        code, out, err = run(capsys, record_with_a_dip(tmp_path, volts=volts), "--every", "10min", "--events", "--json")
        assert code == 0
        assert f"{name} V" in err
        (event,) = [line for line in json_lines(out) if "event" in line]
        assert event["residual_v"] == pytest.approx(0.6 * volts, rel=4e-3)
    path = record_with_a_dip(tmp_path, volts=120.0)
    code, out, _ = run(capsys, path, "--nominal-voltage", "100", "--every", "10min", "--events", "--json")
    assert code == 0
    assert {line["event"] for line in json_lines(out) if "event" in line} == {"swell", "dip"}


def test_parse_channels() -> None:
    assert parse_channels(" v1 = HV Bus VR , I1=a=b") == {"V1": "HV Bus VR", "I1": "a=b"}
    with pytest.raises(WrongUsage):
        parse_channels("V1=,V2=x")
