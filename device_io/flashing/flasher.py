"""Flashing and restoring as named stages, each of which can fail without harm: what is written is known before, kept
before, read back after, and put on record until the module runs again."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from device_io.flashing.backups import Backup, BackupError, BackupStore, flash_of, read_backup, write_backup
from device_io.flashing.esptool_process import Cancelled, EsptoolError, EsptoolProcess, FlashIdentity
from device_io.flashing.journal import Journal, Unfinished
from device_io.flashing.told import Told, ask_module
from device_io.port_lease import Lease, leased
from device_io.source import LinkError, Setting
from device_io.urls import LinkUrl
from firmware_images.check import check_package, warnings_for
from firmware_images.chips import TABLE_OFFSET, TABLE_SIZE, chip_by_name
from firmware_images.errors import ImageError
from firmware_images.ota_data import OTA_DATA_SIZE
from firmware_images.package import FirmwarePackage
from firmware_images.partition_table import PartitionTable, parse_partition_table
from firmware_images.plan import Write, plan_writes
from firmware_images.target import Target

CONFIRM_S = 15.0
"""How long a module may take to answer after its reset."""
ASK_S = 3.0
"""How long it may take to answer before: one that can't is flashed as well."""
SECTOR = 4096


class Stage(StrEnum):
    """Where it stands; each stage comes once, in this order."""

    CHECK = "check"
    RELEASE = "release"
    IDENTIFY = "identify"
    BACKUP = "backup"
    WRITE = "write"
    VERIFY = "verify"
    RESET = "reset"
    CONFIRM = "confirm"


class FlashProgress(NamedTuple):
    """done, total: in the stage's own units (bytes where there are any), total 0 where unknown. eta_s: None as well."""

    stage: Stage
    done: int
    total: int
    eta_s: float | None


@dataclass(frozen=True)
class FlashResult:
    """How it ended. refused: nothing was written. reason: one sentence, "" for ok. version: what the module reports.
    unfinished: writing began and the module does not run the new contents for sure: finish, or go back."""

    result: Literal["ok", "refused", "failed"]
    reason: str = ""
    stage: Stage = Stage.CONFIRM
    backup: Path | None = None
    version: str | None = None
    unfinished: bool = False


class Refused(Exception):
    """One sentence: why nothing is written."""


@dataclass(frozen=True)
class FlashOptions:
    """baud: of the loader. backup: keep the whole flash first. board: of the module, where a person knows it."""

    baud: int = 460_800
    backup: bool = True
    allow_unsigned: bool = False
    board: str | None = None
    attempts: int = 7
    confirm_s: float = CONFIRM_S


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
        self._stage = Stage.CHECK
        self._stage_s = 0.0
        self._backup: Path | None = None
        self._began_writing = False

    def flash(self, package: FirmwarePackage) -> FlashResult:
        """Put a firmware on the module; settings and calibration stay."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            target = self._target(esptool, identity, told)
            refusals = check_package(package, target, allow_unsigned=self._options.allow_unsigned)
            if refusals:
                raise Refused(" ".join(refusal.sentence for refusal in refusals))
            for warning in warnings_for(package, target):
                self._note(warning)
            writes = plan_writes(package, target)
            if self._options.backup:
                self._back_up(esptool, identity, told, None)
            version = package.app_image.app.version if package.app_image and package.app_image.app else ""
            self._put(esptool, identity, writes, "flash", version, told)
            settings = told.settings
            return self._confirm(esptool, identity, version, lease, settings)

        return self._run(work)

    def back_up(self, path: Path | None = None) -> FlashResult:
        """Keep the whole flash and what the module tells, in the store or in a file of this name."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            self._back_up(esptool, identity, told, path)
            return self._confirm(esptool, None, told.info.firmware if told.info else "", lease, None)

        return self._run(work)

    def restore(self, path: Path, *, back_up: bool = True) -> FlashResult:
        """Put the whole flash of a backup back and verify it."""
        try:
            backup, data = read_backup(path), flash_of(path)
        except BackupError as wrong:
            return FlashResult("refused", str(wrong), Stage.CHECK)

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            self._check_backup(backup, identity)
            if back_up and self._options.backup:
                self._back_up(esptool, identity, told, None)
            writes = self._changed(esptool, data)
            self._put(esptool, identity, writes, "restore", backup.firmware, told)
            return self._confirm(esptool, identity, backup.firmware, lease, None)

        return self._run(work)

    def finish(self, unfinished: Unfinished) -> FlashResult:
        """Write again what was not finished."""

        def work(esptool: EsptoolProcess, identity: FlashIdentity, told: Told, lease: Lease) -> str | None:
            if identity.mac != unfinished.mac:
                raise Refused(f"This is not the module {unfinished.mac} that was begun. Connect that one.")
            self._backup = unfinished.backup
            self._put(esptool, identity, unfinished.writes, unfinished.what, unfinished.version, told, unfinished)
            return self._confirm(esptool, identity, unfinished.version, lease, None)

        return self._run(work)

    def go_back(self, unfinished: Unfinished) -> FlashResult:
        """Put back what was there before."""
        if unfinished.backup is None:
            return FlashResult("refused", "No backup was made before. Finish the update instead.", Stage.CHECK)
        return self.restore(unfinished.backup, back_up=False)

    # The stages

    def _run(self, work: Callable[[EsptoolProcess, FlashIdentity, Told, Lease], str | None]) -> FlashResult:
        self._began_writing = False
        try:
            with leased(self._port.port) as lease:
                self._enter(Stage.CHECK)
                told = ask_module(self._port, ASK_S, lease, cancelled=self._cancelled)
                self._enter(Stage.RELEASE)
                self._check_cancelled()
                with EsptoolProcess(self._port.port, baud=self._options.baud, cancelled=self._cancelled) as esptool:
                    self._enter(Stage.IDENTIFY)
                    identity = esptool.connect(self._options.attempts)
                    if identity.secure_download:
                        raise Refused(
                            "The module's loader is locked (secure download mode), so nothing can be backed up or "
                            "verified. Update it over the air, as its maker describes."
                        )
                    version = work(esptool, identity, told, lease)
            return FlashResult("ok", "", self._stage, self._backup, version)
        except Refused as why:
            return self._ended("refused", str(why))
        except (ImageError, LinkError) as wrong:
            return self._ended("refused" if not self._began_writing else "failed", str(wrong))
        except Cancelled:
            done = "Nothing was written." if not self._began_writing else "Finish it, or go back to what was there."
            return self._ended("failed", f"Stopped. {done}")
        except (EsptoolError, BackupError) as wrong:
            return self._ended("failed", str(wrong))
        except OSError as wrong:
            return self._ended("failed", f"{wrong.strerror or wrong}. Check the disk's free space and rights.")

    def _ended(self, result: Literal["refused", "failed"], reason: str) -> FlashResult:
        return FlashResult(result, reason, self._stage, self._backup, unfinished=self._began_writing)

    def _target(self, esptool: EsptoolProcess, identity: FlashIdentity, told: Told) -> Target:
        chip = chip_by_name(identity.chip)
        bootloader_at = chip.bootloader_offset if chip is not None else 0
        head = self._read(esptool, 0, TABLE_OFFSET + SECTOR)
        table = _table(head[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE])
        ota = table.ota_data if table is not None else None
        return Target(
            chip=identity.chip,
            flash_size=identity.flash_size,
            chip_revision=identity.revision,
            board=self._options.board,
            partition_table=table,
            installed_version=told.info.firmware.rpartition(" ")[2] if told.info is not None else None,
            secure_boot=identity.secure_boot,
            flash_encryption=identity.flash_encryption,
            ota_data=self._read(esptool, ota.offset, OTA_DATA_SIZE) if ota is not None else None,
            bootloader=head[bootloader_at:TABLE_OFFSET],
        )

    def _read(self, esptool: EsptoolProcess, offset: int, size: int) -> bytes:
        with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
            path = Path(folder) / "read.bin"
            esptool.read(offset, size, path)
            return path.read_bytes()

    def _back_up(self, esptool: EsptoolProcess, identity: FlashIdentity, told: Told, path: Path | None) -> None:
        self._enter(Stage.BACKUP)
        if not identity.flash_size:
            raise BackupError("The size of the module's flash is not known, so it can't be kept. Use --no-backup.")
        if not self._store.room_for(identity.flash_size):
            raise BackupError("The disk has no room for a backup. Make room, or choose --no-backup.")
        firmware = told.info.firmware if told.info is not None else ""
        with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
            flash = Path(folder) / "flash.bin"
            esptool.read(0, identity.flash_size, flash, self._tell)
            made_ns = time.time_ns()
            place = path or self._store.path_for(identity.mac, firmware, made_ns)
            self._backup = write_backup(place, flash, identity, firmware, told.as_json(), made_ns).path
        if path is None:
            self._store.prune(identity.mac)

    def _check_backup(self, backup: Backup, identity: FlashIdentity) -> None:
        if backup.mac != identity.mac:
            raise Refused(
                f"The backup is of the module {backup.mac}, this is {identity.mac}: it would lose its calibration and "
                "identity. Choose a backup of this module."
            )
        if backup.size != identity.flash_size:
            raise Refused("The backup's flash has another size than the module's. Choose another backup.")
        if identity.flash_encryption:
            raise Refused("The module's flash is encrypted: a backup of it can't be put back over the cable.")

    def _changed(self, esptool: EsptoolProcess, data: bytes) -> tuple[Write, ...]:
        """The runs of sectors in which the flash differs, found by digests of ever smaller pieces."""
        differing: list[tuple[int, int]] = []
        waiting = [(0, len(data))]
        while waiting:
            start, size = waiting.pop()
            if esptool.digest(start, size) == hashlib.md5(data[start : start + size]).hexdigest():
                continue
            if size <= 16 * SECTOR:
                differing.append((start, size))
            else:
                half = size // 2 // SECTOR * SECTOR
                waiting += [(start + half, size - half), (start, half)]
        runs: list[tuple[int, int]] = []
        for start, size in sorted(differing):
            if runs and runs[-1][0] + runs[-1][1] == start:
                runs[-1] = (runs[-1][0], runs[-1][1] + size)
            else:
                runs.append((start, size))
        return tuple(Write(start, data[start : start + size], f"flash at {start:#x}") for start, size in runs)

    def _put(
        self,
        esptool: EsptoolProcess,
        identity: FlashIdentity,
        writes: Sequence[Write],
        what: str,
        version: str,
        told: Told,
        again: Unfinished | None = None,
    ) -> None:
        self._check_cancelled()
        if again is None:
            before = told.info.firmware if told.info is not None else ""
            record = (identity.mac, identity.chip, self._port.text, what, version, before, self._backup, time.time_ns())
            self._journal.begin(Unfinished(*record, tuple(writes)))
        self._enter(Stage.WRITE)
        self._began_writing = True
        total, done = sum(len(write.data) for write in writes), 0
        with tempfile.TemporaryDirectory(prefix="sensix-") as folder:
            path = Path(folder) / "write.bin"
            for write in writes:
                path.write_bytes(write.data)

                def tell(part: int, of: int, begun: int = done, size: int = len(write.data)) -> None:
                    self._tell(begun + (size * part // of if of else 0), total)

                esptool.write(write.offset, path, tell)
                done += len(write.data)
                self._tell(done, total)
        self._enter(Stage.VERIFY)
        done = 0
        for write in writes:
            if esptool.digest(write.offset, len(write.data)) != hashlib.md5(write.data).hexdigest():
                raise EsptoolError(
                    f"What was read back of {write.label} is not what was written. Try again; use a lower --baud if it "
                    "stays so."
                )
            done += len(write.data)
            self._tell(done, total)

    def _confirm(
        self,
        esptool: EsptoolProcess,
        written: FlashIdentity | None,
        version: str,
        lease: Lease,
        settings: Mapping[str, Setting] | None,
    ) -> str | None:
        """Start the module and wait for it. written: None where nothing was."""
        self._enter(Stage.RESET)
        esptool.reset()
        esptool.close()
        self._enter(Stage.CONFIRM)
        told = ask_module(self._port, self._options.confirm_s, lease, restore=settings, cancelled=self._cancelled)
        if told.info is None:
            if written is None:
                self._note("The module did not answer afterwards.")
                return None
            raise EsptoolError("Written and verified, but the module did not answer.", "\n".join(told.lines))
        reported = told.info.firmware
        if written is not None:
            if version and reported.rpartition(" ")[2] != version:
                raise EsptoolError(
                    f"Written and verified, but the module runs {reported} instead of {version}. Go back, or try again."
                )
            self._journal.end(written.mac)
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


def _table(data: bytes) -> PartitionTable | None:
    """The partition table of a module; None where there is none (a blank flash)."""
    if data[:2] != b"\xaa\x50":
        return None
    return parse_partition_table(data)
