"""The default response: numbers of the data sheet, each with a status and a source."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.response import transfer
from resources.front_ends import default_response


@pytest.mark.parametrize(("frequency_hz", "db"), [(1.25, -3.0103), (50.0, -0.0027), (672.0, -0.1), (1600.0, -3.0)])
def test_level_of_the_default_front_end(frequency_hz: float, db: float) -> None:
    level = abs(transfer(default_response(), np.array([frequency_hz]))[0])
    assert 20 * math.log10(level) == pytest.approx(db, abs=0.005)


def test_each_section_says_where_it_comes_from() -> None:
    for section in default_response():
        assert section.status in ("verified", "from memory")
        assert len(section.source) > 20


def test_an_unknown_chip_is_named() -> None:
    with pytest.raises(ValueError, match="ADE9153A"):
        default_response("ADE0000")
