"""The declared voltage that a record shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.declared_voltage import assumed_voltage_v
from device_io.comtrade import open_comtrade
from tests.fakes.comtrade_writer import FakeChannel, FakeRecord


@pytest.mark.parametrize(("seconds", "interrupted_s"), [(0.1, 0.05), (0.1, 0.06), (0.2, 0.09), (0.35, 0.2), (1.5, 0.9)])
@pytest.mark.parametrize(
    ("rms_v", "frequency_hz", "declared_v"),
    [(230.0, 50.0, 230.0), (120.0, 60.0, 120.0), (6350.0, 50.0, 6350.0), (6350.0, 60.0, 6350.0)],
)
def test_an_interruption_does_not_lower_it(
    tmp_path: Path, seconds: float, interrupted_s: float, rms_v: float, frequency_hz: float, declared_v: float
) -> None:
    t = np.arange(int(seconds * 6000)) / 6000.0
    for there in (t < interrupted_s, t >= seconds - interrupted_s):
        volts = rms_v * np.sqrt(2) * np.cos(2 * np.pi * frequency_hz * t + 1.0) * there
        channel = FakeChannel("V1", "V", np.round(volts, 1), a=0.5)
        fake = FakeRecord([channel], format="BINARY", rate_hz=6000.0, frequency=f"{frequency_hz:g}")
        with open_comtrade(fake.write(tmp_path)) as record:
            assert assumed_voltage_v(record) == pytest.approx(declared_v, rel=0.03)
