"""Flashing and backing up at 460 800 baud, against esptool on its own

A virtual module on a port that is paced to its baud. Written is an application of 1 MiB that does not compress, from
the first byte to the last comparison; kept is a flash of 4 MiB, with the packing of the file. Connecting,
identification, restart and the wait for the module are apart: for esptool the chip's own clock counts, from the first
command to write or read to its last answer.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from device_io.flashing.result import FlashProgress, Stage
from tests.fakes.esptool_runner import command, environment
from tests.fakes.flash_bench import FlashBench, package

BAUD = 460_800
APP_SIZE = 1 << 20
FLASH_SIZE = 4 << 20
LIMIT = 1.10


def run() -> list[dict[str, object]]:
    """Rows of the report. About four minutes: a flash of 4 MiB takes 91 s at this baud, twice."""
    with (
        tempfile.TemporaryDirectory(prefix="sensix-") as folder,
        FlashBench(Path(folder), size=FLASH_SIZE, paced=True) as bench,
    ):
        clock = _ChipClock(bench)
        stages = _Stages()
        new = package(Path(folder), size=APP_SIZE, flash_size=FLASH_SIZE)
        result = bench.flasher(baud=BAUD, backup=False, confirm_s=15.0, on_progress=stages).flash(new)
        assert result.result == "ok", result
        ours_s = stages.seconds(Stage.WRITE, Stage.RESET)
        assert new.app is not None
        (Path(folder) / "app.bin").write_bytes(new.app.data)
        peer_s = clock.of_esptool("write-flash", "0x10000", Path(folder) / "app.bin")
        rows = [_row("write and verify an application of 1 MiB", ours_s, peer_s)]
        stages = _Stages()
        result = bench.flasher(baud=BAUD, confirm_s=15.0, on_progress=stages).back_up(Path(folder) / "kept.zip")
        assert result.result == "ok", result
        ours_s = stages.seconds(Stage.BACKUP, Stage.RESET)
        peer_s = clock.of_esptool("read-flash", "0", str(FLASH_SIZE), Path(folder) / "read.bin")
        return [*rows, _row("back up a flash of 4 MiB", ours_s, peer_s)]


class _Stages:
    def __init__(self) -> None:
        self._began_s: dict[Stage, float] = {}

    def __call__(self, told: FlashProgress) -> None:
        self._began_s.setdefault(told.stage, time.monotonic())

    def seconds(self, first: Stage, last: Stage) -> float:
        """From the begin of one stage to that of another."""
        return self._began_s[last] - self._began_s[first]


class _ChipClock:
    """When the chip wrote, read and compared."""

    def __init__(self, bench: FlashBench) -> None:
        self._bench = bench
        self._times_s: list[float] = []
        flash, loader = bench.board.flash, bench.board.loader
        for name in ("erase", "write", "md5"):
            setattr(flash, name, self._timed(getattr(flash, name)))
        receive = loader.receive

        def reading(data: bytes) -> bytes:
            before = getattr(loader._loader, "_reading", None)
            out = receive(data)
            if before is not None or getattr(loader._loader, "_reading", None) is not None:
                self._times_s.append(time.monotonic())
            return out

        loader.receive = reading  # type: ignore[method-assign]

    def of_esptool(self, *arguments: object) -> float:
        """Seconds from the first to the last of them while esptool does this."""
        self._bench.wait(lambda: self._bench.board.state == "app", 30.0)
        self._times_s.clear()
        words = command(self._bench.url, *arguments, baud=BAUD)
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return self._times_s[-1] - self._times_s[0]

    def _timed(self, work: Any) -> Any:
        def timed(*args: Any) -> Any:
            result = work(*args)
            self._times_s.append(time.monotonic())
            return result

        return timed


def _row(what: str, ours_s: float, peer_s: float) -> dict[str, object]:
    ratio = ours_s / peer_s
    return {
        "what": f"{what} at {BAUD} baud",
        "ours": f"{ours_s:.2f} s",
        "peer": f"{peer_s:.2f} s (esptool)",
        "ratio": f"{ratio:.3f}",
        "limit": f"<= {LIMIT:.2f}",
        "holds": ratio <= LIMIT,
    }
