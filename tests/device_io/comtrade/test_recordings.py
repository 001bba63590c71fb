"""Two recordings of real mains."""

from __future__ import annotations

from pathlib import Path

import comtrade
import numpy as np
import pytest

from device_io.comtrade import FileError, open_comtrade

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
KEATING = DATA / "keating" / "keating_1999.CFG"
OITA = DATA / "oita" / "Comtrade1.cfg"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the recordings (../shared/data) are not on this machine")
pytestmark = needs_data

HV = {"V1": "HV Bus VR", "V2": "HV Bus VS", "V3": "HV Bus VT", "I1": "HV IR", "I2": "HV IS", "I3": "HV IT"}


def test_keating() -> None:
    with open_comtrade(KEATING) as record:
        assert (record.rate_hz, record.samples, record.line_frequency_hz) == (30707.244140625, 2048, 60.0)
        assert record.start_utc_ns == 1447824783765333000
        assert {key: channel.name for key, channel in record.assigned.items()} == {
            "V1": "U1", "V2": "U2", "V3": "U3", "I1": "I1", "I2": "I2", "I3": "I3",
        }  # fmt: skip
        assert any("I4" in note and "sum of the phase currents" in note for note in record.notes)
        samples = np.concatenate([block for _, block in record.blocks(100)])
    rms = np.sqrt(np.mean(samples**2, axis=0))
    np.testing.assert_allclose(rms, [348.95, 352.22, 345.95, 126.11, 151.83, 166.70], atol=0.01)


def test_keating_takes_the_fourth_current_when_told() -> None:
    with open_comtrade(KEATING, {"IN": "I4"}) as record:
        assert record.system == "3P+N"
        assert record.assigned["I2"].name == "I2"


def test_oita_asks_which_side() -> None:
    with pytest.raises(FileError) as refusal:
        open_comtrade(OITA)
    assert "2 sets of three currents" in str(refusal.value)
    assert "10 LV IR [A]" in str(refusal.value)


@pytest.mark.parametrize("neutral", [{}, {"IN": "HV IN"}])
def test_oita_agrees_with_the_package(neutral: dict[str, str]) -> None:
    package = comtrade.Comtrade(ignore_warnings=True, use_numpy_arrays=True, use_double_precision=True)
    package.load(str(OITA))
    expected = dict(zip(package.analog_channel_ids, package.analog, strict=True))
    with open_comtrade(OITA, HV | neutral) as record:
        assert (record.rate_hz, record.samples) == (1200.0, 7200)
        assert record.start_utc_ns == 1690417193156666511  # 09:19:53.156666511 at UTC+9
        assert record.system == ("3P+N" if neutral else "3P")
        samples = np.concatenate([block for _, block in record.blocks(777)])
        for column, channel in enumerate(record.assigned.values()):
            np.testing.assert_array_equal(samples[:, column], expected[channel.name])
