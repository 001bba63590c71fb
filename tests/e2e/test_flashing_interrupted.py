"""Power, cable or program lost at any byte of flashing, backing up and restoring: always a way on, and a way back."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from device_io.flashing import flasher as flasher_module
from device_io.flashing.esptool_process import EsptoolProcess
from device_io.flashing.journal import Unfinished
from device_io.flashing.result import FlashProgress, FlashResult, Stage
from device_io.virtual_module.esp32.flash import FlashError
from tests.fakes.flash_bench import NAME, FlashBench, package

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""
WRITE_BYTES = {"flash": 40_000, "restore": 1_500, "finish": 5_000, "back": 1_500}
"""About so many bytes travel while each writes: what is erased compresses well."""
STAGES = {
    "flash": (Stage.IDENTIFY, Stage.BACKUP, Stage.WRITE, Stage.WRITE, Stage.WRITE, Stage.VERIFY, Stage.RESET),
    "backup": (Stage.IDENTIFY, Stage.BACKUP, Stage.BACKUP, Stage.RESET),
    "restore": (Stage.BACKUP, Stage.WRITE, Stage.WRITE, Stage.WRITE, Stage.VERIFY, Stage.RESET),
    "finish": (Stage.WRITE, Stage.VERIFY),
    "back": (Stage.WRITE, Stage.VERIFY),
}


class Interruption:
    """Ends a job when so many bytes have travelled, either way, since a stage began. how: "kill" ends the flasher,
    "unplug" takes the port away for longer than the flasher tries again, "power" ends it in the midst of a sector."""

    def __init__(self, bench: FlashBench, rng: random.Random, job: str, how: str, sooner: int = 1) -> None:
        self._bench, self._how = bench, how
        self._stage = rng.choice(STAGES[job])
        most = {Stage.BACKUP: 1_000_000, Stage.WRITE: WRITE_BYTES.get(job, 0), Stage.IDENTIFY: 300, Stage.VERIFY: 60}
        self.at = self._left = rng.randrange(max(most.get(self._stage, 8) // sooner, 1))
        self._armed = self.happened = False
        self.process: EsptoolProcess | None = None
        self._receive = bench.board.loader.receive
        self._cut = rng.random()
        bench.board.loader.receive = self.receive  # type: ignore[method-assign]

    def __str__(self) -> str:
        return f"{self._how} in {self._stage} after {self.at} bytes"

    def on_progress(self, told: FlashProgress) -> None:
        self._armed = self._armed or told.stage is self._stage

    def receive(self, data: bytes) -> bytes:
        if self.happened:
            return b""
        out = self._receive(data)
        self._left -= (len(data) + len(out)) if self._armed else 0
        if self._left >= 0 or not self._armed:
            return out
        self.happened = True
        if self._how == "unplug":
            self._bench.board.loader.unplugged = True
        else:
            assert self.process is not None
            assert self.process._process is not None
            if self._how == "power":
                self._tear()
            self.process._process.kill()
        return out[: int(len(out) * self._cut)]

    def _tear(self) -> None:
        """The sector that was being erased is half of what it was."""
        flash = self._bench.board.flash
        writing = getattr(self._bench.board.loader._loader, "_writing", None)
        if writing is not None:
            try:
                flash.write((writing.at + writing.written) // 4096 * 4096, bytes(2048))
            except FlashError:
                return

    def over(self) -> None:
        self._bench.board.loader.receive = self._receive  # type: ignore[method-assign]


def do(bench: FlashBench, job: str, arguments: tuple[Any, ...], interruption: Interruption | None) -> FlashResult:
    """One job, perhaps interrupted."""
    flasher = bench.flasher(on_progress=interruption.on_progress if interruption else None)
    jobs = {
        "flash": flasher.flash,
        "backup": flasher.back_up,
        "restore": flasher.restore,
        "finish": flasher.finish,
        "back": flasher.go_back,
    }
    result = jobs[job](*arguments)
    if interruption is not None:
        interruption.over()
        bench.wait(lambda: os.path.exists(bench.url.removeprefix("usb:")), 20.0)
        assert not interruption.happened or result.result != "refused", (str(interruption), result)
    return result


def campaign(folder: Path, monkeypatch: pytest.MonkeyPatch, how: str, *, again: float = 0.3) -> str:
    """Interrupt a job, then perhaps (probability `again`) the recovery too, and recover. Returns what happened."""
    seed = random.randrange(1 << 30)
    for sooner in (1, 4, 16, 64):  # a job may be over before the interruption is due
        place = folder / str(sooner)
        place.mkdir()
        happened, story = interrupt(place, random.Random(seed), monkeypatch, how, sooner, again)
        if happened:
            return f"seed {seed}: {story}"
    raise AssertionError(f"seed {seed}: never interrupted: {story}")


def interrupt(
    folder: Path, rng: random.Random, monkeypatch: pytest.MonkeyPatch, how: str, sooner: int, often: float
) -> tuple[bool, str]:
    job = rng.choice(("flash", "flash", "backup", "restore"))
    current: list[Interruption | None] = [None]

    class Watched(EsptoolProcess):
        def __enter__(self) -> EsptoolProcess:
            if current[0] is not None:
                current[0].process = self
            return super().__enter__()

    monkeypatch.setattr(flasher_module, "EsptoolProcess", Watched)
    with FlashBench(folder, "flash-unplug@999999999:9") as bench:
        bench.name_it()
        old, arguments = bench.firmware(), (package(folder),)
        if job == "backup":
            arguments = (folder / "kept.zip",)
        elif job == "restore":
            kept = bench.flasher().back_up(folder / "kept.zip")
            assert bench.flasher(backup=False).flash(package(folder, "1.9.0")).result == "ok"
            bench.name_it("Attic")
            old, arguments = "1.9.0", (kept.backup,)
        before, kept_name = bench.written, str(bench.module.settings["name"])
        current[0] = interruption = Interruption(bench, rng, job, how, sooner)
        result = do(bench, job, arguments, interruption)
        story = [f"{job}, {interruption}: {result.result} ({result.reason})"]
        new = {"flash": "2.0.0", "backup": old, "restore": "1.0.0"}[job]
        way = ""
        for attempt in range(4):
            pending: list[Unfinished] = bench.journal.pending()
            assert bool(pending) == (result.unfinished and result.result != "ok"), story
            if not pending:
                break
            way = way or rng.choice(("finish", "back"))
            again = attempt < 3 and rng.random() < often  # the last one is left alone
            current[0] = Interruption(bench, rng, way, how) if again else None
            result = do(bench, way, (pending[0],), current[0])
            story.append(f"{way}, {current[0]}: {result.result} ({result.reason})")
        assert bench.journal.pending() == [], story
        current[0] = None
        done = result.result == "ok"
        expected = (old if way == "back" else new) if done else old
        assert bench.firmware() == expected, story
        if not done:
            assert bench.written == before, story
        name = NAME if job == "restore" and done and way != "back" else kept_name
        assert bench.identity().name == name, story
        assert bench.board.load("cal") is not None, story
        assert (bench.board.load("cal") or {})["module"] == bench.module.info.eui, story
    return interruption.happened, "; ".join(story)


@pytest.mark.parametrize(
    "number",
    [*range(3), *(pytest.param(n, marks=[pytest.mark.soak, pytest.mark.timeout(240)]) for n in range(3, 180))],
)
def test_a_flasher_that_dies_at_any_byte(tmp_path, monkeypatch, number):
    print(campaign(tmp_path, monkeypatch, ("kill", "power")[number % 2]))


@pytest.mark.parametrize(
    "number",
    [0, *(pytest.param(n, marks=[pytest.mark.soak]) for n in range(1, 20))],
)
@pytest.mark.timeout(240)
def test_a_cable_that_is_pulled_at_any_byte(tmp_path, monkeypatch, number):
    print(campaign(tmp_path, monkeypatch, "unplug", again=0.3 if number else 0.0))  # 9 s each


def test_a_new_firmware_after_a_broken_off_one_keeps_the_first_way_back(tmp_path, monkeypatch):
    cancelled = threading.Event()

    def stop(told: FlashProgress) -> None:
        if told.stage is Stage.WRITE and told.done:
            cancelled.set()

    with FlashBench(tmp_path) as bench:
        bench.name_it()
        result = bench.flasher(on_progress=stop, cancelled=cancelled).flash(package(tmp_path))
        assert (result.result, result.unfinished) == ("failed", True)
        assert bench.firmware() == "1.0.0"  # the old application is whole
        refused = bench.flasher().flash(package(tmp_path))
        assert (refused.result, refused.earlier) == ("refused", bench.journal.pending()[0])
        assert "not finished" in refused.reason
        assert bench.flasher().look().earlier == refused.earlier
        again = bench.flasher(anew=True).flash(package(tmp_path, "2.2.0"))
        assert (again.result, again.backup, bench.firmware()) == ("ok", result.backup, "2.2.0")
        assert bench.journal.pending() == []
        assert len(bench.store.list()) == 1


def test_without_a_backup_finishing_is_the_way(tmp_path):
    cancelled = threading.Event()

    def stop(told: FlashProgress) -> None:
        if told.stage is Stage.VERIFY:
            cancelled.set()

    with FlashBench(tmp_path) as bench:
        result = bench.flasher(on_progress=stop, cancelled=cancelled, backup=False).flash(package(tmp_path))
        (pending,) = bench.journal.pending()
        assert (result.unfinished, pending.backup) == (True, None)
        refused = bench.flasher().go_back(pending)
        assert (refused.result, len(bench.journal.pending())) == ("refused", 1)
        assert bench.flasher().finish(pending).result == "ok"
        assert bench.firmware() == "2.0.0"
