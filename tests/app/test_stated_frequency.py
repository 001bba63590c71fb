"""What a record states as its frequency decides between 10 and 12 cycles where the measured one leaves it open."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.verbs.analyze import analyze_record
from device_io.comtrade import open_comtrade
from tests.fakes.comtrade_writer import FakeChannel, FakeRecord


def written(folder: Path, frequency_hz: float, stated: str, amplitude_v: float = 325.0) -> Path:
    t = np.arange(3000) / 4000.0
    volts = np.round(amplitude_v * np.cos(2 * np.pi * frequency_hz * t), 2)
    return FakeRecord([FakeChannel("V1", "V", volts, a=0.01)], format="BINARY", frequency=stated).write(folder)


@pytest.mark.parametrize(
    ("frequency_hz", "stated", "cycles"),
    [
        (57.3, "50", 10),
        (57.3, "60", 12),
        (57.3, "", 12),
        (51.2, "60.0", 12),
        (51.2, "50", 10),
        (51.2, "400", 10),
        (50.0, "60", 10),
        (60.0, "50", 12),
    ],
)
def test_a_window_has_the_cycles_of_the_stated_system(
    tmp_path: Path, frequency_hz: float, stated: str, cycles: int
) -> None:
    with open_comtrade(written(tmp_path, frequency_hz, stated)) as record:
        for chosen, expected in ((None, cycles), (50.0, 10), (60.0, 12)):
            windows = list(analyze_record(record, nominal_frequency_hz=chosen))
            assert len(windows) >= 2
            for window in windows:
                assert window.end_s - window.start_s == pytest.approx(expected / frequency_hz, rel=1e-6)


def test_a_record_without_a_fundamental_is_measured_whatever_it_states(tmp_path: Path) -> None:
    with open_comtrade(written(tmp_path, 20.0, "60")) as record:
        assert {window.flags for window in analyze_record(record)} == {("no-fundamental",)}
