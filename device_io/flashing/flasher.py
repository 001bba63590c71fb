"""Flashing and restoring as named stages, each of which can fail without harm: what is written is known before, kept
before, read back after, and put on record until the module runs again."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from device_io.boot_log import GUIDE, Finding, explain, in_words
from device_io.flashing.backups import Backup, BackupError, BackupStore, flash_of, read_backup, write_backup
from device_io.flashing.comparing import differences, eui_of
from device_io.flashing.esptool_process import Cancelled, EsptoolError, EsptoolProcess, FlashIdentity
from device_io.flashing.journal import Journal, Unfinished
from device_io.flashing.listening import boot_lines, restart
from device_io.flashing.result import FlashOptions, FlashProgress, FlashResult, NotFinished, Refused, Stage
from device_io.flashing.survey import board_of, check_layout, check_wiring, chip_of, name_of, survey, with_running
from device_io.flashing.told import Told, ask_module, await_module
from device_io.flashing.writing import differing_pieces, verify_all, write_all
from device_io.port_lease import Lease, leased
from device_io.source import LinkError, LinkErrorKind, Setting
from device_io.urls import LinkUrl
from firmware_images.check import check_package, warnings_for
from firmware_images.chips import TABLE_OFFSET
from firmware_images.errors import ImageError
from firmware_images.package import FirmwarePackage
from firmware_images.plan import Write, plan_writes
from firmware_images.starting import why_flash_would_not_start

__all__ = ["FlashOptions", "FlashProgress", "FlashResult", "Flasher", "Stage"]

LISTEN_S = 2.5
"""How long a module that does not answer afterwards is listened to: it prints why."""
_NO_PORT = (LinkErrorKind.NO_SUCH_PORT, LinkErrorKind.PORT_BUSY, LinkErrorKind.NO_PERMISSION, LinkErrorKind.BAD_URL)

Work = Callable[[EsptoolProcess, FlashIdentity, Told, Lease], str | None]


class Flasher:
    """Flashes, backs up and restores the module on one port. One job at a time; calls wait until it is done.

    port: its USB link. cancelled: set from another thread, it ends the job within 2 s; before the first byte is
    written nothing has happened, afterwards `Journal.pending` leads on. progress, note: called on this thread; note
    with sentences for people.
    """

    def __init__(
        self,
        port: LinkUrl,
        store: BackupStore,
        journal: Journal,
        options: FlashOptions | None = None,
        *,
        progress: Callable[[FlashProgress], None] = lambda _: None,
        note: Callable[[str], None] = lambda _: None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._port = port
        self._store = store
        self._journal = journal
        self._options = options or FlashOptions()
        self._progress = progress
        self._note = note
        self._cancelled = cancelled or threading.Event()
        self._begin()

    def _begin(self) -> None:
        self._stage, self._stage_s = Stage.CHECK, 0.0
        self._backup: Path | None = None
        self._began_writing = self._started = False
        self._differences: tuple[str, ...] = ()
        self._lines: tuple[str, ...] = ()
        self._findings: tuple[Finding, ...] = ()
        self._found: Unfinished | None = None

    def flash(self, *packages: FirmwarePackage) -> FlashResult:
        """Put a firmware on the module; settings and calibration stay. packages: of one firmware, for several chips."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            earlier = self._earlier(identity)
            if earlier is not None and not self._options.anew:
                raise NotFinished(earlier)
            package = next((one for one in packages if one.chip == name_of(identity.chip)), packages[0])
            installed = told.info.firmware.rpartition(" ")[2] if told.info is not None else None
            board = self._options.board or board_of(told.info.type if told.info is not None else "", package.boards)
            target = survey(esptool, identity, installed_version=installed, board=board)
            refusals = check_package(package, target, allow_unsigned=self._options.allow_unsigned)
            if refusals:
                raise Refused(" ".join(refusal.sentence for refusal in refusals))
            check_wiring(package, told)
            check_layout(target, kept=self._options.backup or (earlier is not None and earlier.way_back is not None))
            for warning in warnings_for(package, target):
                self._note(warning)
            self._keep(esptool, identity, told, earlier)
            writes = plan_writes(package, with_running(esptool, target, self._backup if earlier is None else None))
            version = package.app_image.app.version if package.app_image and package.app_image.app else ""
            self._put(esptool, writes, self._record(identity, "flash", version, told, writes))
            return self._confirm(esptool, identity.mac, version, lease, told.as_json(), told.settings)

        return self._run(work)

    def back_up(self, path: Path | None = None) -> FlashResult:
        """Keep the whole flash and what the module tells, in the store or in a file of this name."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            earlier = self._earlier(identity)
            if earlier is not None:
                self._note(f"{NotFinished(earlier)} This backup holds what stands there now.")
            if identity.flash_encryption:
                self._note("The module encrypts its flash: this backup can't be put back over the cable.")
            self._back_up(esptool, identity, told, path)
            self._start(esptool)
            after = ask_module(self._port, self._options.confirm_s, lease, everything=False, cancelled=self._cancelled)
            if after.info is None:
                self._note("The backup is made. The module did not answer afterwards.")
            return after.info.firmware if after.info is not None else None

        return self._run(work)

    def restore(self, path: Path) -> FlashResult:
        """Put the whole flash of a backup back, verify it, and compare what the module tells with the backup."""
        return self._restore(path, None)

    def restore_settings(self, path: Path) -> FlashResult:
        """Put the settings of a backup back over the link, where they differ; passwords are in no backup's settings."""
        self._begin()
        try:
            backup = read_backup(path)
            settings = backup.told.get("settings")
            eui = eui_of(backup.told)
            if not isinstance(settings, dict) or eui is None:
                raise Refused("The backup holds no settings: the module did not answer then. Restore the whole flash.")
            with leased(self._port.port) as lease:
                self._enter(Stage.CHECK)
                who = ask_module(
                    self._port, self._options.confirm_s, lease, everything=False, cancelled=self._cancelled
                )
                self._check_cancelled()
                if who.info is None:
                    raise who.silence or Refused("The module does not answer. Restore the whole flash.")
                if who.info.eui != eui:
                    raise Refused(
                        f"The backup is of the module {eui}, this is {who.info.eui}. Choose one of this module."
                    )
                self._enter(Stage.WRITE)
                self._began_writing = True
                after = ask_module(
                    self._port, self._options.confirm_s, lease, restore=settings, cancelled=self._cancelled
                )
                self._check_cancelled()
                self._enter(Stage.CONFIRM)
                if after.info is None or after.settings is None:
                    raise LinkError(LinkErrorKind.SILENT, "The module answers no more. Plug it in anew and try again.")
            differ = differences(backup.told, after)
            return FlashResult("ok", "", Stage.CONFIRM, path, after.info.firmware, differences=differ)
        except Refused as why:
            return FlashResult("refused", str(why), self._stage)
        except (BackupError, LinkError) as wrong:
            return FlashResult("failed" if self._began_writing else "refused", str(wrong), self._stage)
        except Cancelled:
            return FlashResult("failed", "Stopped. Not all of the settings may be back: do it again.", self._stage)

    def look(self) -> FlashResult:
        """Identify the module and let it run on; `earlier` is what was begun on it and not finished."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, _: Lease) -> str | None:
            self._found = self._earlier(identity)
            self._start(esptool)
            return told.info.firmware if told.info is not None else None

        return self._run(work)

    def finish(self, unfinished: Unfinished) -> FlashResult:
        """Write what is still missing of a job that was begun, and verify all of it."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, _: Told, lease: Lease) -> str | None:
            if identity.mac != unfinished.mac:
                raise Refused(f"This is not the module {unfinished.mac} that was begun. Connect that one.")
            self._check_plain(identity)
            self._backup = unfinished.backup
            self._put(esptool, unfinished.writes, None)
            return self._confirm(esptool, identity.mac, unfinished.version, lease, None, None)

        return self._run(work)

    def go_back(self, unfinished: Unfinished) -> FlashResult:
        """Put back what was there before a job that was begun."""
        if unfinished.way_back is None:
            why = "No backup was made before, or it is gone. Finish the update instead."
            return FlashResult("refused", why, Stage.CHECK, earlier=unfinished)
        return self._restore(unfinished.way_back, unfinished)

    def _restore(self, path: Path, broken_off: Unfinished | None) -> FlashResult:
        self._begin()
        try:
            backup, data = read_backup(path), flash_of(path)
        except BackupError as wrong:
            return FlashResult("refused", str(wrong), Stage.CHECK)

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            self._check_backup(backup, identity)
            if (why := why_flash_would_not_start(data, chip_of(esptool, identity))) is not None:
                raise Refused(why)
            if broken_off is not None:
                self._backup = broken_off.backup
            else:
                self._keep(esptool, identity, told, self._earlier(identity))
            version = backup.firmware.rpartition(" ")[2]
            # Secure boot knows the bootloader that is there, and no other.
            start = TABLE_OFFSET if identity.secure_boot else 0
            writes = (Write(start, data[start:], "the flash"),)
            self._put(esptool, writes, self._record(identity, "restore", version, told, writes), differing=True)
            return self._confirm(esptool, identity.mac, version, lease, backup.told, None)

        return self._run(work)

    # The stages

    def _run(self, work: Work) -> FlashResult:
        self._begin()
        try:
            with leased(self._port.port) as lease:
                self._enter(Stage.CHECK)
                told = ask_module(self._port, self._options.ask_s, lease, cancelled=self._cancelled)
                if told.silence is not None and told.silence.kind in _NO_PORT:
                    raise told.silence
                self._enter(Stage.RELEASE)
                self._check_cancelled()
                try:
                    version = self._work(work, told, lease)
                except BaseException:
                    if not self._started:
                        restart(self._port.port)  # it runs what it ran before, or what a broken-off job left
                    raise
            facts = {"earlier": self._found, "differences": self._differences, "lines": self._lines}
            return FlashResult("ok", "", self._stage, self._backup, version, **facts)  # type: ignore[arg-type]
        except NotFinished as why:
            return self._ended("refused", str(why), earlier=why.earlier)
        except Refused as why:
            return self._ended("refused", str(why))
        except (ImageError, LinkError) as wrong:
            return self._ended("refused" if not self._began_writing else "failed", str(wrong))
        except Cancelled:
            done = "Nothing was written." if not self._began_writing else "Finish it, or go back to what was there."
            return self._ended("failed", f"Stopped. {done}")
        except EsptoolError as wrong:
            guide = GUIDE if wrong.needs_button and self._stage is Stage.IDENTIFY else ()
            return self._ended("failed", str(wrong), guide=guide)
        except BackupError as wrong:
            return self._ended("failed", str(wrong))
        except OSError as wrong:
            return self._ended("failed", f"{wrong.strerror or wrong}. Check the disk's free space and rights.")

    def _work(self, work: Work, told: Told, lease: Lease) -> str | None:
        with EsptoolProcess(self._port.port, baud=self._options.baud, cancelled=self._cancelled) as esptool:
            self._enter(Stage.IDENTIFY)
            identity = esptool.connect(self._options.attempts)
            try:
                if identity.secure_download:
                    raise Refused(
                        "The module's loader is locked (secure download mode), so nothing can be backed up or "
                        "verified. Update it over the air, as its maker describes."
                    )
                return work(esptool, identity, told, lease)
            except (Refused, ImageError, BackupError, OSError):
                if not self._started:
                    with contextlib.suppress(EsptoolError, Cancelled):
                        esptool.reset()
                        self._started = True
                raise

    def _ended(self, result: Any, reason: str, **more: Any) -> FlashResult:
        facts = {"unfinished": self._began_writing, "findings": self._findings, "lines": self._lines, **more}
        return FlashResult(result, reason, self._stage, self._backup, **facts)

    def _earlier(self, identity: FlashIdentity) -> Unfinished | None:
        return next(iter(self._journal.pending(identity.mac)), None)

    def _keep(self, esptool: EsptoolProcess, identity: FlashIdentity, told: Told, earlier: Unfinished | None) -> None:
        """Have a way back. After a job that was broken off it is that job's: what stands there now is half of it."""
        if earlier is not None and earlier.way_back is not None:
            self._note("An earlier job was not finished; the backup made before it stays the way back.")
            self._backup = earlier.way_back
        elif self._options.backup:
            self._back_up(esptool, identity, told, None)

    def _back_up(self, esptool: EsptoolProcess, identity: FlashIdentity, told: Told, path: Path | None) -> None:
        self._enter(Stage.BACKUP)
        if not identity.flash_size:
            raise BackupError("The size of the module's flash is not known, so it can't be kept. Use --no-backup.")
        firmware, made_ns = told.info.firmware if told.info is not None else "", time.time_ns()
        place = path or self._store.path_for(identity.mac, firmware, made_ns)
        if not self._store.room_for(identity.flash_size, place):
            raise BackupError("The disk has no room for a backup. Make room, or choose --no-backup.")
        with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
            flash = Path(folder) / "flash.bin"
            esptool.read(0, identity.flash_size, flash, self._tell)
            self._backup = write_backup(place, flash, identity, firmware, told.as_json(), made_ns).path
        if path is None:
            leads_back = (one.backup for one in self._journal.pending(identity.mac))
            self._store.prune(identity.mac, (self._backup, *leads_back))

    def _check_backup(self, backup: Backup, identity: FlashIdentity) -> None:
        if backup.mac != identity.mac:
            raise Refused(
                f"The backup is of the module {backup.mac}, this is {identity.mac}: it would lose its calibration and "
                "identity. Choose a backup of this module."
            )
        if backup.size != identity.flash_size:
            raise Refused("The backup's flash has another size than the module's. Choose another backup.")
        self._check_plain(identity)

    def _check_plain(self, identity: FlashIdentity) -> None:
        if identity.flash_encryption:
            raise Refused("The module's flash is encrypted: nothing can be put back over the cable.")

    def _record(
        self, identity: FlashIdentity, what: str, version: str, told: Told, writes: Sequence[Write]
    ) -> Unfinished:
        before = told.info.firmware if told.info is not None else ""
        record = (identity.mac, identity.chip, self._port.text, what, version, before, self._backup, time.time_ns())
        return Unfinished(*record, tuple(writes))

    def _put(
        self, esptool: EsptoolProcess, writes: Sequence[Write], record: Unfinished | None, *, differing: bool = False
    ) -> None:
        """Write and verify. record: of a new job; without one an older job goes on, where it differs."""
        self._check_cancelled()
        if record is not None:
            self._journal.begin(record)
        self._enter(Stage.WRITE)
        self._began_writing = True
        whole = record is not None and not differing
        pieces = list(writes) if whole else [piece for write in writes for piece in differing_pieces(esptool, write)]
        write_all(esptool, pieces, self._tell)
        self._enter(Stage.VERIFY)
        verify_all(esptool, writes, self._tell)

    def _start(self, esptool: EsptoolProcess) -> None:
        self._enter(Stage.RESET)
        try:
            esptool.reset()
        finally:
            esptool.close()  # as long as it is open, a module that comes back may get another port
        self._started = True
        self._enter(Stage.CONFIRM)

    def _confirm(
        self,
        esptool: EsptoolProcess,
        mac: str,
        version: str,
        lease: Lease,
        before: Mapping[str, Any] | None,
        settings: Mapping[str, Setting] | None,
    ) -> str | None:
        """Start the module and wait until it says that it runs `version`. before: to compare with; settings: to put
        back where they differ."""
        try:
            self._start(esptool)
        except EsptoolError:  # the cable was pulled after the last digest: once it is back, the module starts by itself
            self._enter(Stage.CONFIRM)
        told = await_module(self._port, self._options.confirm_s, lease, restore=settings, cancelled=self._cancelled)
        self._check_cancelled()
        if told.info is None:
            lines = [*told.lines, *boot_lines(self._port.port, LISTEN_S, lease=lease, cancelled=self._cancelled)]
            self._lines, self._findings = tuple(lines), explain(lines)
            why = in_words(self._findings) or "Finish it, or go back to what was there."
            raise EsptoolError(f"Written and verified, but the module did not answer. {why}")
        self._lines = tuple(told.lines)
        reported = told.info.firmware
        if version and version != reported and not reported.endswith(f" {version}"):  # "virtual 1.0.0"
            self._findings = explain(told.lines)
            raise EsptoolError(
                f"Written and verified, but the module runs {reported} instead of {version}. Go back, or try again."
            )
        self._journal.end(mac)
        self._differences = differences(before, told) if before is not None else ()
        for difference in self._differences:
            self._note(difference)
        return reported

    def _enter(self, stage: Stage) -> None:
        self._stage, self._stage_s = stage, time.monotonic()
        self._progress(FlashProgress(stage, 0, 0, None))

    def _tell(self, done: int, total: int) -> None:
        spent_s = time.monotonic() - self._stage_s
        eta_s = spent_s * (total - done) / done if done and spent_s > 0.5 else None
        self._progress(FlashProgress(self._stage, done, total, eta_s))

    def _check_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise Cancelled
