"""Whoever reads may lose interest; the reader notices within a block."""

from __future__ import annotations

from pathlib import Path

import pytest

from device_io.comtrade import ReadingStopped, open_comtrade
from tests.fakes.comtrade_writer import three_phase


def test_counting_a_long_ascii_file_can_be_stopped(tmp_path: Path) -> None:
    with pytest.raises(ReadingStopped):
        open_comtrade(three_phase(100).write(tmp_path), stopped=lambda: True)


@pytest.mark.parametrize("form", ["ASCII", "BINARY"])
def test_reading_blocks_can_be_stopped(tmp_path: Path, form: str) -> None:
    stop = False
    with open_comtrade(three_phase(20000, format=form).write(tmp_path), stopped=lambda: stop) as record:
        blocks = record.blocks(100)
        next(blocks)
        stop = True
        with pytest.raises(ReadingStopped):
            list(blocks)
