"""Rates, time stamps, missing samples."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from device_io.comtrade import FileError, open_comtrade
from tests.fakes.comtrade_writer import three_phase

FORMS = [(1999, "ASCII"), (1999, "BINARY"), (2013, "FLOAT32")]


@pytest.mark.parametrize(("revision", "form"), FORMS)
def test_largest_part_of_several_rates_is_read(tmp_path: Path, revision: int, form: str) -> None:
    rates = [(1000.0, 100), (4000.0, 900), (50.0, 1000)]
    fake = three_phase(1000, revision=revision, format=form, rates=rates)
    with open_comtrade(fake.write(tmp_path)) as record, open_comtrade(three_phase(9).write(tmp_path, "one")) as other:
        assert (record.rate_hz, record.samples) == (4000.0, 800)
        assert record.start_utc_ns - other.start_utc_ns == 100_000_000
        assert any("samples 101-900 at 4000 Hz" in note for note in record.notes)
        blocks = list(record.blocks(300))
        assert [first for first, _ in blocks] == [0, 300, 600]
        voltage = np.concatenate([block for _, block in blocks])[:, 0]
    np.testing.assert_allclose(voltage, fake.channels[0].values[100:900], atol=0.03)


def test_equal_rates_are_one_part(tmp_path: Path) -> None:
    fake = three_phase(1000, rates=[(4000.0, 100), (4000.0, 900), (4000.0, 1000)])
    with open_comtrade(fake.write(tmp_path)) as record:
        assert (record.rate_hz, record.samples) == (4000.0, 1000)


@pytest.mark.parametrize(("revision", "form"), FORMS)
@pytest.mark.parametrize("rate_hz", [3906.25, 1000.0, 30707.244])
def test_rate_from_time_stamps(tmp_path: Path, revision: int, form: str, rate_hz: float) -> None:
    fake = three_phase(4000, rate_hz, revision=revision, format=form, rates=[(0, 4000)])
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.rate_hz == pytest.approx(rate_hz, rel=2e-6 * rate_hz / 4000 + 1e-9)
        assert record.samples == 4000
        assert any("time stamps" in note for note in record.notes)


def test_rate_from_time_stamps_with_multiplier_and_wrap(tmp_path: Path) -> None:
    stamps = [(2**32 - 5000 + 25 * k) % 2**32 for k in range(2000)]
    fake = three_phase(2000, format="BINARY", rates=[(0, 2000)], stamps=stamps, multiplier="10")
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.rate_hz == pytest.approx(4000.0)


def test_uneven_time_stamps_are_refused(tmp_path: Path) -> None:
    stamps = [250 * k + (40 if k == 3000 else 0) for k in range(4000)]
    with pytest.raises(FileError, match="not evenly spaced"):
        open_comtrade(three_phase(4000, rates=[(0, 4000)], stamps=stamps).write(tmp_path))


def test_blank_time_stamps_without_a_rate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="not evenly spaced"):
        open_comtrade(three_phase(400, rates=[(0, 400)], blank_stamps=True).write(tmp_path))


@pytest.mark.parametrize(("revision", "form"), FORMS)
def test_blank_time_stamps_with_a_rate_do_not_matter(tmp_path: Path, revision: int, form: str) -> None:
    fake = three_phase(400, revision=revision, format=form, blank_stamps=True)
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.rate_hz == 4000.0


@pytest.mark.parametrize(("revision", "form"), FORMS)
def test_samples_missing_inside_are_a_gap(tmp_path: Path, revision: int, form: str) -> None:
    numbers = [k for k in range(1, 1101) if not 500 < k <= 600]
    fake = three_phase(1000, revision=revision, format=form, numbers=numbers, rates=[(4000.0, 1100)])
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.samples == 1100
        assert any(re.match("100 samples are missing", note) for note in record.notes)
        pieces = [(first, len(block)) for first, block in record.blocks(400)]
        values = np.concatenate([block for _, block in record.blocks(400)])
    assert pieces == [(0, 400), (400, 100), (600, 300), (900, 200)]
    np.testing.assert_allclose(values[:, 0], fake.channels[0].values, atol=0.03)


def test_numbers_that_go_back_are_damage(tmp_path: Path) -> None:
    numbers = [*range(1, 501), *range(400, 900)]
    with (
        open_comtrade(three_phase(1000, numbers=numbers).write(tmp_path)) as record,
        pytest.raises(FileError, match="sample number 400 stands after 500"),
    ):
        list(record.blocks())


def test_a_counter_that_begins_anew_goes_on(tmp_path: Path) -> None:
    numbers = [*range(1, 701), *range(300)]
    with open_comtrade(three_phase(1000, numbers=numbers).write(tmp_path)) as record:
        assert [(first, len(block)) for first, block in record.blocks(400)] == [(0, 400), (400, 400), (800, 200)]


def test_a_number_beyond_the_record_is_damage(tmp_path: Path) -> None:
    numbers = [*range(1, 901), *range(5000, 5100)]
    with (
        open_comtrade(three_phase(1000, numbers=numbers).write(tmp_path)) as record,
        pytest.raises(FileError, match="sample number 5000 lies beyond the 1000 samples"),
    ):
        list(record.blocks())


def test_numbers_that_count_nothing_are_ignored(tmp_path: Path) -> None:
    with open_comtrade(three_phase(300, numbers=[0] * 300).write(tmp_path)) as record:
        assert [(first, len(block)) for first, block in record.blocks(200)] == [(0, 200), (200, 100)]
        assert any("do not count" in note for note in record.notes)


@pytest.mark.parametrize(("revision", "form"), FORMS)
def test_more_samples_than_announced(tmp_path: Path, revision: int, form: str) -> None:
    fake = three_phase(500, revision=revision, format=form, rates=[(4000.0, 450)])
    with open_comtrade(fake.write(tmp_path)) as record:
        assert record.samples == 450
        assert sum(len(block) for _, block in record.blocks(100)) == 450
        assert any("500 samples" in note for note in record.notes)
