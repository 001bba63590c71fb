"""firmware flash, backup, restore: the console's side of `device_io.flashing`."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Sequence

from app.firmware.keeping import backup_store, journal, trusted_keys
from app.firmware.words import (
    progress_to_json,
    progress_to_text,
    result_to_json,
    result_to_text,
    steps_to_text,
)
from app.output import Output, Refused, WrongUsage
from device_io.flashing.flasher import Flasher
from device_io.flashing.result import FlashOptions, FlashProgress, FlashResult, Stage
from device_io.source import LinkError
from device_io.urls import LinkUrl, parse_serial_url
from firmware_images.check import check_alone
from firmware_images.errors import ImageError
from firmware_images.opening import open_packages
from firmware_images.package import FirmwarePackage

_TELL_S = 2.0
"""For people, progress within a stage is told at most this often."""


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the job; the last line of JSON says how it ended. Refused where it did not go well."""
    try:
        port = parse_serial_url(args.port)
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None
    job = _Job(args, output, port)
    try:
        result = job.run()
    except Refused as why:
        result = FlashResult("refused", str(why), Stage.CHECK)
    return _tell(result, args, output)


class _Job:
    """One job: on a thread of its own, so that signals and closed pipes are heard meanwhile."""

    def __init__(self, args: argparse.Namespace, output: Output, port: LinkUrl) -> None:
        self._args = args
        self._output = output
        self._cancelled = threading.Event()
        self._told: tuple[Stage | None, float] = (None, 0.0)
        self._journal = journal()
        options = FlashOptions(
            baud=args.baud,
            backup=not getattr(args, "no_backup", False),
            allow_unsigned=getattr(args, "allow_unsigned", False),
            board=getattr(args, "board", None),
            anew=args.yes,
        )
        self._flasher = Flasher(
            port,
            backup_store(),
            self._journal,
            options,
            progress=self._progress,
            note=output.note,
            cancelled=self._cancelled,
        )

    def run(self) -> FlashResult:
        """:raises Refused: before the module was asked for anything."""
        args = self._args
        if args.sub_verb == "backup":
            return self._back_up()
        if args.finish or args.go_back:
            return self._recover(back=args.go_back)
        if args.sub_verb == "flash":
            return self._flash()
        if args.file is None:
            raise WrongUsage("Name the backup: firmware restore PORT FILE.")
        if args.settings_only:
            self._ask(f"Put the settings of {args.file} back into the module on {args.port}?")
            return self._wait(lambda: self._flasher.restore_settings(args.file))
        self._ask(f"Put all of {args.file} back onto the module on {args.port}?")
        return self._wait(lambda: self._flasher.restore(args.file))

    def _flash(self) -> FlashResult:
        if self._args.bundle is None:
            raise WrongUsage("Name the firmware: firmware flash PORT BUNDLE.")
        packages = self._open()
        first = packages[0]
        title = " ".join(text for text in (first.name, first.version) if text) or str(self._args.bundle)
        self._ask(f"Write {title} to the module on {self._args.port}?")
        result = self._wait(lambda: self._flasher.flash(*packages))
        earlier = result.earlier
        if earlier is None or self._args.yes or result.result == "ok":
            return result
        choice = self._choose(f"{result.reason}\nFinish it (f), go back (b), or leave it (any other key)? ")
        if choice == "f":
            return self._wait(lambda: self._flasher.finish(earlier))
        return self._wait(lambda: self._flasher.go_back(earlier)) if choice == "b" else result

    def _back_up(self) -> FlashResult:
        path = self._args.file
        if path.is_dir():
            raise Refused(f"{path} is a folder. Name a file.")
        if path.exists():
            self._ask(f"Write over {path}?", f"{path} exists. Choose another name, or say --yes.")
        return self._wait(lambda: self._flasher.back_up(path))

    def _recover(self, *, back: bool) -> FlashResult:
        if not self._journal.pending():
            raise Refused("Nothing was broken off: there is nothing to finish or to go back from.")
        self._ask("Go back to what was there before?" if back else "Finish what was broken off?")
        looked = self._wait(self._flasher.look)
        earlier = looked.earlier
        if looked.result != "ok":
            return looked
        if earlier is None:
            raise Refused("On this module nothing was broken off. Connect the other one.")
        if back:
            return self._wait(lambda: self._flasher.go_back(earlier))
        return self._wait(lambda: self._flasher.finish(earlier))

    def _open(self) -> Sequence[FirmwarePackage]:
        try:
            keys = trusted_keys(self._args.trusted_key)
            packages = open_packages(self._args.bundle, trusted_keys=keys)
        except FileNotFoundError as missing:
            raise Refused(f"There is no key file {missing}.") from None
        except ImageError as wrong:
            raise Refused(wrong.sentence) from None
        if not self._args.allow_unsigned and (refusals := check_alone(packages[0])):
            raise Refused(" ".join(refusal.sentence for refusal in refusals))
        return packages

    def _wait(self, job: Callable[[], FlashResult]) -> FlashResult:
        results: list[FlashResult] = []
        worker = threading.Thread(target=lambda: results.append(job()), name="flashing", daemon=True)
        worker.start()
        while worker.is_alive():
            if self._output.stop.is_set():
                self._cancelled.set()
            worker.join(0.1)
        if not results:
            raise Refused("The job ended by itself. Try again.")
        return results[0]

    def _progress(self, progress: FlashProgress) -> None:
        if self._output.as_json:
            self._output.result(progress_to_json(progress))
            return
        stage, told_s = self._told
        now_s = time.monotonic()
        if stage is progress.stage and (now_s - told_s < _TELL_S or progress.done >= progress.total):
            return
        self._told = (progress.stage, now_s)
        self._output.note(progress_to_text(progress))

    def _ask(self, question: str, otherwise: str = "") -> None:
        """:raises Refused: unless a person agrees."""
        if self._args.yes:
            return
        if not _is_terminal():
            raise Refused(otherwise or f"{question} There is nobody to ask: say --yes to do it.")
        if self._choose(f"{question} [y/N] ") != "y":
            raise Refused("Nothing was done.")

    def _choose(self, question: str) -> str:
        if not _is_terminal():
            return ""
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower()[:1]


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty()
    except (AttributeError, ValueError):
        return False


def _tell(result: FlashResult, args: argparse.Namespace, output: Output) -> int:
    if result.result == "ok":
        output.result(result_to_json(result), result_to_text(result))
        return 0
    if output.as_json:
        output.result(result_to_json(result))
    for finding in result.findings:
        output.note(f"{finding.title}. {finding.advice}".strip())
    if result.guide:
        output.note(steps_to_text(result.guide))
    if result.unfinished or result.earlier is not None:
        backup = result.backup if result.earlier is None else result.earlier.way_back
        back = f"; to go back to what was there: firmware flash {args.port} --go-back" if backup else ""
        output.note(f"To finish it: firmware flash {args.port} --finish{back}.")
    raise Refused(result.reason)
