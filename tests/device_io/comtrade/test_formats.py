"""Every format and edition against the values that were written, and against the `comtrade` package as oracle."""

from __future__ import annotations

import struct
from pathlib import Path

import comtrade
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_io.comtrade import ComtradeRecord, FileError, open_comtrade
from tests.fakes.comtrade_writer import FakeChannel, FakeRecord, three_phase

FORMATS = [
    (1991, "ASCII"),
    (1991, "BINARY"),
    (1999, "ASCII"),
    (1999, "BINARY"),
    (2013, "ASCII"),
    (2013, "BINARY"),
    (2013, "BINARY32"),
    (2013, "FLOAT32"),
]
START_NS = 1447824783765333000  # 2015-11-18T05:33:03.765333Z
START_1991 = "11/18/2015,05:33:03.765333"


def samples_of(record: ComtradeRecord, per_block: int = 333) -> np.ndarray:
    """All samples, with the promises of `blocks` checked on the way; gaps as NaN."""
    whole = np.full((record.samples, len(record.assigned)), np.nan)
    at = 0
    for first, block in record.blocks(per_block):
        assert first >= at
        assert 0 < len(block) <= per_block
        assert block.dtype == np.float64
        whole[first : first + len(block)] = block
        at = first + len(block)
    assert at == record.samples
    return whole


def oracle(path: Path) -> dict[str, np.ndarray]:
    package = comtrade.Comtrade(ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True)
    package.load(str(path))
    return dict(zip(package.analog_channel_ids, package.analog, strict=True))


@pytest.mark.parametrize(("revision", "form"), FORMATS)
def test_samples_are_those_written(tmp_path: Path, revision: int, form: str) -> None:
    start = START_1991 if revision == 1991 else "18/11/2015,05:33:03.765333"
    fake = three_phase(1000, format=form, revision=revision, start=start, trigger=start)
    with open_comtrade(fake.write(tmp_path)) as record:
        got = samples_of(record)
        assert tuple(record.assigned) == ("V1", "V2", "V3", "I1", "I2", "I3", "IN")
        assert (record.system, record.rate_hz, record.samples) == ("3P+N", 4000.0, 1000)
        assert record.start_utc_ns == START_NS
        assert record.line_frequency_hz == 50.0
    for column, channel in enumerate(fake.channels):
        tolerance = 1e-4 if form == "FLOAT32" else 0.5001 * channel.a
        np.testing.assert_allclose(got[:, column], channel.values, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("revision", "form"), FORMATS)
def test_single_file_record(tmp_path: Path, revision: int, form: str) -> None:
    fake = three_phase(500, format=form, revision=revision)
    with open_comtrade(fake.write(tmp_path)) as pair, open_comtrade(fake.write_cff(tmp_path)) as single:
        np.testing.assert_array_equal(samples_of(single), samples_of(pair))
        assert single.notes == pair.notes


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edition=st.sampled_from(FORMATS[2:]),
    seed=st.integers(0, 2**32 - 1),
    status=st.integers(0, 40),
    a=st.floats(1e-4, 50.0).map(lambda a: round(a, 9)),
    negative=st.booleans(),
    b=st.floats(-100.0, 100.0),
    per_block=st.integers(1, 400),
)
def test_agrees_with_the_package(
    tmp_path: Path, edition: tuple[int, str], seed: int, status: int, a: float, negative: bool, b: float, per_block: int
) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 300))
    a = -a if negative else a
    channels = []
    for name, unit in (("UL2", "V"), ("IL1", "A"), ("UL1", "V"), ("IL3", "A"), ("UL3", "V"), ("IL2", "A")):
        values = random.integers(-30000, 30000, count) * a + b
        lost = random.choice(count, size=int(random.integers(0, 3)), replace=False).tolist() if count > 2 else []
        channels.append(FakeChannel(name, unit, values, a=a, b=b, missing=lost))
    revision, form = edition
    path = FakeRecord(channels, format=form, revision=revision, status_count=status).write(tmp_path)
    expected = oracle(path)
    with open_comtrade(path) as record:
        got = samples_of(record, per_block)
        for column, channel in enumerate(record.assigned.values()):
            np.testing.assert_allclose(got[:, column], expected[channel.name], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7F800001, 0xFFFFFFFF, 0xFF800000, 0x00800000])
def test_float_samples_that_are_no_numbers_are_missing(tmp_path: Path, bits: int) -> None:
    path = FakeRecord([FakeChannel("U1", "V", np.arange(3.0))], revision=2013, format="FLOAT32").write(tmp_path)
    raw = bytearray(path.with_suffix(".dat").read_bytes())
    row = len(raw) // 3
    raw[row + 8 : row + 12] = struct.pack("<I", bits)
    path.with_suffix(".dat").write_bytes(raw)
    with open_comtrade(path) as record:
        np.testing.assert_array_equal(samples_of(record)[:, 0], [0.0, np.nan, 2.0])


@pytest.mark.parametrize(("unit", "factor"), [("kV", 1e3), ("volt", 1.0), ("mV", 1e-3), ("Volts", 1.0), ("KV", 1e3)])
def test_units_become_volts(tmp_path: Path, unit: str, factor: float) -> None:
    fake = FakeRecord([FakeChannel("U1", unit, np.arange(50.0))], revision=2013, format="FLOAT32")
    with open_comtrade(fake.write(tmp_path)) as record:
        np.testing.assert_allclose(samples_of(record)[:, 0], np.arange(50.0) * factor)


@pytest.mark.parametrize(("ps", "factor"), [("S", 20.0), ("s", 20.0), ("P", 1.0), ("p", 1.0)])
def test_secondary_values_become_primary(tmp_path: Path, ps: str, factor: float) -> None:
    channels = [
        FakeChannel("U1", "V", np.arange(50.0)),
        FakeChannel("I1", "mA", np.arange(50.0), primary="100", secondary="5", ps=ps),
    ]
    with open_comtrade(FakeRecord(channels).write(tmp_path)) as record:
        assert record.system == "1P"
        np.testing.assert_allclose(samples_of(record)[:, 1], np.arange(50.0) * 1e-3 * factor)


def test_missing_code_of_1991_counts_only_outside_the_stated_range(tmp_path: Path) -> None:
    def record_with(low: str) -> FakeRecord:
        channel = FakeChannel("U1", "V", np.array([5.0, -1.0, 7.0]), low=low, high="4095")
        return FakeRecord([channel], revision=1991, format="BINARY", start=START_1991, trigger=START_1991)

    with open_comtrade(record_with("-2048").write(tmp_path, "signed")) as record:
        np.testing.assert_array_equal(samples_of(record)[:, 0], [5.0, -1.0, 7.0])
    with open_comtrade(record_with("0").write(tmp_path, "unsigned")) as record:
        np.testing.assert_array_equal(samples_of(record)[:, 0], [5.0, np.nan, 7.0])


@pytest.mark.parametrize(
    ("codes", "shift_h"), [("0,0", 0.0), ("+9,+9", -9.0), ("-5h30,0", 5.5), ("+5h30,x", -5.5), ("0,-3", 0.0)]
)
def test_time_zone_of_the_stamps(tmp_path: Path, codes: str, shift_h: float) -> None:
    fake = three_phase(100, revision=2013, codes=(codes, "0,0"))
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.start_utc_ns - START_NS == shift_h * 3600e9
        assert not any("time zone" in note for note in record.notes)


@pytest.mark.parametrize(
    ("start", "offset_ns"),
    [
        ("18/11/2015,05:33:03", -765_333_000),
        ("18/11/2015,05:33:03.765333511", 511),
        ("18/11/15,05:33:03.765333", 0),
        ("11/18/2015,05:33:03.765333", 0),  # month first by mistake: no other reading is a date
    ],
)
def test_start_time_as_recorders_write_it(tmp_path: Path, start: str, offset_ns: int) -> None:
    with open_comtrade(three_phase(100, start=start, trigger=start).write(tmp_path)) as record:
        assert record.start_utc_ns - START_NS == offset_ns


@pytest.mark.parametrize("start", ["", ",", "00/00/0000,00:00:00.000000", "31/02/2020,00:00:00.0", "soon,later"])
def test_no_valid_start_time_is_said(tmp_path: Path, start: str) -> None:
    with open_comtrade(three_phase(100, start=start).write(tmp_path)) as record:
        assert record.start_utc_ns == 0
        assert any("no valid start time" in note for note in record.notes)


@pytest.mark.parametrize(("cfg", "dat"), [(".CFG", ".DAT"), (".cfg", ".DAT"), (".Cfg", ".dat")])
def test_any_case_and_either_file(tmp_path: Path, cfg: str, dat: str) -> None:
    three_phase(100).write(tmp_path, "My Record", cfg, dat)
    for suffix in (cfg, dat):
        with open_comtrade(tmp_path / f"My Record{suffix}") as record:
            assert record.samples == 100


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_line_ends_and_end_of_file_marks(tmp_path: Path, newline: str) -> None:
    path = three_phase(700, newline=newline).write(tmp_path)
    for file in (path, path.with_suffix(".dat")):
        file.write_bytes(file.read_bytes() + b"\x1a")
    with open_comtrade(path) as record:
        assert np.isfinite(samples_of(record)).all()


def test_blank_optional_fields(tmp_path: Path) -> None:
    fake = three_phase(100)
    path = fake.write(tmp_path)
    lines = [
        ",".join(["", *line.split(",")[1:7], "", "", "", "", "", ""]) if 2 <= k < 9 else line
        for k, line in enumerate(fake.config_lines())
    ]
    path.write_text("\n".join(lines))
    with open_comtrade(path) as record:
        np.testing.assert_allclose(samples_of(record)[:, 0], fake.channels[0].values, atol=0.03)
        assert [channel.number for channel in record.analog] == [1, 2, 3, 4, 5, 6, 7]


def test_names_cannot_steer_a_terminal(tmp_path: Path) -> None:
    fake = FakeRecord([FakeChannel("U1\x1b[2J\x07", "V", np.arange(9.0))], station="Cellar\x1b]0;x\x07")
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.assigned["V1"].label.isprintable()
        assert record.station.isprintable()


def test_identity(tmp_path: Path) -> None:
    fake = three_phase(100, format="BINARY")
    with open_comtrade(fake.write(tmp_path)) as record:
        info = record.info
    assert (info.eui, info.system, info.name) == (None, "3P+N", "Cellar")
    (chip,) = info.chips
    assert chip.nominal_rate_hz == 4000.0
    assert [(c.key, c.unit, c.response) for c in chip.channels][::6] == [("V1", "V", ()), ("IN", "A", ())]
    assert chip.channels[0].full_scale == pytest.approx(32767 * 0.05 + 0.25)
    record.close()  # a second time


@pytest.mark.parametrize(
    ("form", "high", "a", "full_scale"),
    [
        ("BINARY", "32767", 0.05, 32767 * 0.05),
        ("ASCII", "32767", 0.05, 32767 * 0.05),
        ("BINARY32", "8388607", 0.0001, 8388607 * 0.0001),
        ("BINARY32", "2147483647", 0.001, np.inf),  # of the number format
        ("FLOAT32", "32767", 1.0, np.inf),  # floats have no converter's range
        ("FLOAT32", "2147483647", 1.0, np.inf),
        ("ASCII", "255", 0.5, np.inf),  # the samples go beyond it
        ("BINARY", "2047", 0.05, np.inf),
        ("BINARY32", "32767", 0.0001, np.inf),
    ],
)
def test_only_the_range_of_a_converter_is_one(
    tmp_path: Path, form: str, high: str, a: float, full_scale: float
) -> None:
    wave = 325.0 * np.cos(2 * np.pi * 50 / 4000 * np.arange(4000))
    fake = FakeRecord([FakeChannel("U1", "V", wave, a=a, low=f"-{high}", high=high)], format=form, revision=2013)
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.info.chips[0].channels[0].full_scale == pytest.approx(full_scale)


@pytest.mark.parametrize(
    ("form", "low", "high", "largest"),
    [
        ("BINARY", "-32768", "32767", 32767),
        ("BINARY", "-99999", "99998", 32767),
        ("BINARY", "-32767", "32768", 32767),
        ("BINARY32", "-8388608", "8388607", 8388607),
        ("ASCII", "-32768", "32767", 32767),
        ("ASCII", "-99999", "99998", np.inf),
    ],
)
def test_either_end_of_a_range_counts(tmp_path: Path, form: str, low: str, high: str, largest: float) -> None:
    """-2^k lies one count beyond 2^k - 1; 16 bits end where they end, whatever is stated."""
    wave = 325.0 * np.cos(2 * np.pi * 50 / 4000 * np.arange(400))
    fake = FakeRecord([FakeChannel("U1", "V", wave, a=0.05, low=low, high=high)], format=form, revision=2013)
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.info.chips[0].channels[0].full_scale == pytest.approx(0.05 * largest, rel=1e-9)


def test_ascii_samples_with_decimals_have_no_converters_range(tmp_path: Path) -> None:
    wave = 325.0 * np.cos(2 * np.pi * 50 / 4000 * np.arange(400))
    path = FakeRecord([FakeChannel("U1", "V", wave)], status_count=0).write(tmp_path)
    lines = [f"{k},{250 * (k - 1)},{value:.4f}" for k, value in enumerate(wave, 1)]
    path.with_suffix(".dat").write_text("\r\n".join(lines) + "\r\n")
    with open_comtrade(path) as record:
        assert record.info.chips[0].channels[0].full_scale == np.inf
        np.testing.assert_allclose(samples_of(record)[:, 0], wave, atol=1e-4)


@pytest.mark.parametrize("form", ["ASCII", "BINARY"])
def test_a_current_without_samples_is_left_out(tmp_path: Path, form: str) -> None:
    fake = three_phase(3000, format=form)
    fake.channels[5].missing = range(3000)  # I3
    fake.channels[0].missing = range(1500)  # V1 begins later
    with open_comtrade(fake.write(tmp_path)) as record:
        assert tuple(record.assigned) == ("V1", "V2", "V3", "I1", "I2", "IN")
        assert any("all its samples are missing" in note and "(I3)" in note for note in record.notes)
        assert np.isfinite(samples_of(record)[1500:]).all()
    fake.channels[0].missing = range(3000)
    with pytest.raises(FileError, match=r"samples are missing in channel 1 .*\(V1\)"):
        open_comtrade(fake.write(tmp_path))


def test_voltages_between_lines_give_those_of_the_phases(tmp_path: Path) -> None:
    t = np.arange(1000) / 4000.0
    phases = [325.0 * (1.0 - 0.1 * p) * np.cos(2 * np.pi * (50 * t - p / 3) + 0.2 * p) for p in range(3)]
    star = np.stack(phases, axis=1) - np.mean(phases, axis=0)[:, None]
    names = ("VAB", "VBC", "VCA")
    fake = FakeRecord(
        [FakeChannel(name, "V", phases[p] - phases[(p + 1) % 3], a=0.001) for p, name in enumerate(names)]
        + [FakeChannel(f"I{letter}", "A", np.cos(314 * t), a=0.001) for letter in ("A", "B", "C", "N")],
        format="BINARY32",
        revision=2013,
    )
    path = fake.write(tmp_path)
    with open_comtrade(path) as record:
        assert (record.system, tuple(record.assigned)) == ("3P", ("V1", "V2", "V3", "I1", "I2", "I3"))
        np.testing.assert_allclose(samples_of(record)[:, :3], star, atol=0.002)
        assert all(any(word in note for note in record.notes) for word in ("between lines", "neutral current"))
    with pytest.raises(FileError, match="needs voltages against the neutral"):
        open_comtrade(path, system="3P+N")
