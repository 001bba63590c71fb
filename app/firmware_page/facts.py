"""What is on disk for a module: newer firmware, backups, and what was begun and not finished. Slow: not for the
window's thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.firmware.source import Source
from app.firmware.updates import UpdateError
from app.firmware_page.modules import Connected, silent_module
from app.firmware_page.words import bare_version
from device_io.discovery.usb_ports import plugged_in
from device_io.flashing.backups import Backup, BackupError, BackupStore, flash_of
from device_io.flashing.comparing import eui_of
from device_io.flashing.journal import Journal, Unfinished
from device_io.flashing.survey import suits_board
from firmware_images.catalogue import BUNDLES, CatalogueEntry, scan_folder
from firmware_images.chips import TABLE_OFFSET, TABLE_SIZE, chip_by_name
from firmware_images.errors import ImageError
from firmware_images.opening import open_packages
from firmware_images.package import FirmwarePackage
from firmware_images.partition_table import parse_partition_table
from firmware_images.signing import TrustedKey
from firmware_images.versions import Version, parse_version

_NO_VERSION = Version((0, 0, 0, 0))


@dataclass(frozen=True)
class Keeping:
    """Where firmware, backups and unfinished jobs are kept. folders: of bundles. keys: reads the trusted keys, on any
    thread; ImageError for a file that holds none. places: lists the URLs of what is plugged in, on any thread.
    source: of newer firmware, on the network; None for none."""

    store: BackupStore
    journal: Journal
    folders: Sequence[Path]
    keys: Callable[[], Sequence[TrustedKey]]
    places: Callable[[], Collection[str]] = plugged_in
    source: Source | None = None


@dataclass(frozen=True)
class Facts:
    """module: the one that was asked for, or that an unfinished job leads to. packages: the firmware to offer, for
    each chip; () for none. problem: why an image is not used, "" if none. postponed: whether a person said "not now" to
    it. backups: of the module, the newest first; backup: the one that a person picked, else the newest. two_slots: of
    the module's flash, None where it is not known."""

    module: Connected | None = None
    packages: tuple[FirmwarePackage, ...] = ()
    problem: str = ""
    postponed: bool = False
    backups: tuple[Backup, ...] = ()
    backup: Backup | None = None
    two_slots: bool | None = None
    unfinished: Unfinished | None = None

    @property
    def package(self) -> FirmwarePackage | None:
        """The build for the module's chip where that is known, else the first."""
        chip = chip_by_name(self.backup.chip) if self.backup is not None else None
        suiting = [package for package in self.packages if chip is not None and package.chip == chip.name]
        return next(iter(suiting or self.packages), None)

    def picking(self, path: Path | None) -> Facts:
        """With this backup as the one that a person picked; the newest where there is no such one."""
        picked = next((backup for backup in self.backups if backup.path == path), next(iter(self.backups), None))
        return replace(self, backup=picked)


def usual_keeping() -> Keeping:
    """That of this user."""
    from app.firmware.keeping import backup_store, bundles_folder, journal, source, trusted_keys, updates_folder

    folders = (BUNDLES, bundles_folder(), updates_folder() / "bundles")
    return Keeping(backup_store(), journal(), folders, trusted_keys, source=source())


def look_up(keeping: Keeping, module: Connected | None, chosen: Path | None, measured: Collection[str] = ()) -> Facts:
    """All of it. module: None where none is known to be connected. chosen: an image that a person chose. measured:
    URLs that the window measures with."""
    backups = _backups_of(keeping.store, module)
    backup = next(iter(backups), None)
    packages, problem = _firmware(keeping, module, chosen, backup)
    unfinished = _unfinished(keeping.journal, module, backup)
    if module is None and unfinished is not None and unfinished.port in keeping.places():
        module = silent_module(unfinished.port, measured)
    postponed = chosen is None and bool(packages) and _is_postponed(keeping.source, packages[0].version)
    return Facts(module, packages, problem, postponed, backups, backup, _two_slots(backup), unfinished)


def _is_postponed(source: Source | None, version: str) -> bool:
    try:
        return source is not None and source.updates().is_postponed(version)
    except UpdateError:
        return False


def _firmware(
    keeping: Keeping, module: Connected | None, chosen: Path | None, backup: Backup | None
) -> tuple[tuple[FirmwarePackage, ...], str]:
    try:
        keys = tuple(keeping.keys())
        if chosen is not None:
            return open_packages(chosen, trusted_keys=keys), ""
        entry, problems = _newest(keeping.folders, keys, module, backup)
        if entry is None or entry.path is None:
            return (), " ".join(problems)
        return open_packages(entry.path, trusted_keys=keys), ""
    except ImageError as wrong:
        return (), wrong.sentence


def _newest(
    folders: Sequence[Path], keys: Sequence[TrustedKey], module: Connected | None, backup: Backup | None
) -> tuple[CatalogueEntry | None, list[str]]:
    """The newest one for this module that is newer than its own and signed by a trusted key; what else lies there, a
    person has to choose. Beside it sentences on files that can't be used."""
    installed = bare_version(module.firmware) if module is not None and module.firmware else None
    found: list[CatalogueEntry] = []
    problems: list[str] = []
    for folder in folders:
        catalogue = scan_folder(folder, trusted_keys=keys)
        problems += catalogue.problems
        found += catalogue.newer_than(installed, chip=backup.chip if backup is not None else None)
    kind = module.type if module is not None else ""
    trusted = [entry for entry in found if entry.signature == "trusted" and suits_board(kind, entry.boards)]
    return max(trusted, key=lambda entry: parse_version(entry.version) or _NO_VERSION, default=None), problems


def _backups_of(store: BackupStore, module: Connected | None) -> tuple[Backup, ...]:
    if module is None or module.eui is None:
        return ()
    mac = mac_of(module.eui)
    made = [backup for backup in store.list(mac) if eui_of(backup.told) in (None, module.eui)]
    return tuple(made or [backup for backup in store.list() if eui_of(backup.told) == module.eui])


def mac_of(eui: str) -> str:
    """The MAC address that an EUI-64 is made from: without its two middle bytes (IEEE, guidelines for EUI-64)."""
    digits = eui[:6] + eui[10:]
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _two_slots(backup: Backup | None) -> bool | None:
    if backup is None:
        return None
    with contextlib.suppress(BackupError, ImageError):
        data = flash_of(backup.path)
        table = parse_partition_table(data[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE])
        return len(table.slots) >= 2 and table.ota_data is not None
    return None


def _unfinished(journal: Journal, module: Connected | None, backup: Backup | None) -> Unfinished | None:
    """What was begun on this module; on one that does not answer it may be any: the flasher compares the MAC."""
    pending = journal.pending()
    if module is None or module.eui is None:
        same = [one for one in pending if module is not None and one.port == module.url]
        return next(iter(same or pending), None)
    macs = {mac_of(module.eui), *([backup.mac] if backup is not None else [])}
    return next((one for one in pending if one.mac in macs), None)
