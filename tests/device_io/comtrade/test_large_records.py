"""Records larger than memory: what is read is bounded by the block, wherever in the record it lies."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from device_io.comtrade import open_comtrade
from tests.fakes.comtrade_writer import three_phase

ROW_BYTES = 8 + 7 * 2 + 2
ROWS = 200_000_000 // ROW_BYTES
RATE_HZ = 4000.0
PER_BLOCK = 20_000


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    """8.3 million samples in 200 MB, nearly all of them a hole in the file; sample numbers all 0."""
    fake = three_phase(3, format="BINARY", rates=[(RATE_HZ, ROWS)])
    path = fake.write(tmp_path)
    last = struct.pack("<II7hH", 0, 0, *range(1, 8), 0)
    with path.with_suffix(".dat").open("wb") as file:
        file.truncate(ROWS * ROW_BYTES)
        file.seek((ROWS - 1) * ROW_BYTES)
        file.write(last)
    return path


@pytest.mark.timeout(180)
def test_binary_is_read_in_blocks(sparse: Path) -> None:
    tracemalloc.start()
    try:
        with open_comtrade(sparse) as record:
            assert record.samples == ROWS
            at, last = 0, np.empty(0)
            for first, block in record.blocks(PER_BLOCK):
                assert first == at
                assert block.base is None or block.base.nbytes <= 8 * PER_BLOCK * 7
                at, last = first + len(block), block[-1]
            assert at == ROWS
            scale = np.array([channel.scale for channel in record.assigned.values()])
            offset = np.array([channel.offset for channel in record.assigned.values()])
            np.testing.assert_allclose(last, np.arange(1, 8) * scale + offset)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 8 * PER_BLOCK * 7, "several blocks' worth of arrays at most"


READ_ALL = """
import resource, sys
from device_io.comtrade import open_comtrade
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open_comtrade(sys.argv[1]) as record:
    samples = sum(len(block) for _, block in record.blocks(4000))
print(samples, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.timeout(180)
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory in kB is told by Linux")
def test_memory_of_the_process_stays_flat(sparse: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(sparse)],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        timeout=170,
        check=True,
    )
    samples, growth_kb = map(int, done.stdout.split())
    assert samples == ROWS
    assert growth_kb < 40_000, "of a file of 200 MB"


@pytest.mark.timeout(180)
def test_ascii_is_read_in_blocks(tmp_path: Path) -> None:
    fake = three_phase(4000)
    path = fake.write(tmp_path)
    rows = fake.data().replace(b"\r\n", b"\n").split(b"\n")[:-1]
    columns = [row.split(b",", 1)[1] for row in rows]
    repeats = 40
    with path.with_suffix(".dat").open("wb") as file:
        for turn in range(repeats):
            for k, row in enumerate(columns):
                file.write(b"%d,%s\n" % (turn * 4000 + k + 1, row))
    size = path.with_suffix(".dat").stat().st_size
    path.write_text(path.read_text().replace("4000.0,4000", f"4000.0,{4000 * repeats}"))
    tracemalloc.start()
    try:
        with open_comtrade(path) as record:
            assert sum(len(block) for _, block in record.blocks(1000)) == 4000 * repeats
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size / 3


def test_a_broken_off_reading_lets_go_of_the_file(sparse: Path) -> None:
    record = open_comtrade(sparse)
    blocks = record.blocks(1000)
    next(blocks)
    record.close()
    record.close()
    sparse.with_suffix(".dat").unlink()
