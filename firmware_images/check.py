"""Whether a firmware belongs on a module. Every rule says what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from firmware_images.chips import chip_by_name
from firmware_images.errors import Reason
from firmware_images.image import AppImage
from firmware_images.package import FirmwarePackage, Part
from firmware_images.plan import reason_against
from firmware_images.secure_boot import signature_blocks
from firmware_images.starting import why_not_started
from firmware_images.target import Target
from firmware_images.versions import is_newer, parse_version


@dataclass(frozen=True)
class Refusal:
    """Why a firmware must not go to a module. sentence: what is wrong and what to do."""

    kind: Reason
    sentence: str


def check_package(package: FirmwarePackage, target: Target, *, allow_unsigned: bool = False) -> list[Refusal]:
    """All reasons against putting this package on this module; none means it may be written.

    allow_unsigned: take packages without a signature, or with that of an unknown key. One whose signature does not
    match never gets here: `open_package` refuses it.
    """
    refusals = [*_check_signature(package)] if not allow_unsigned else []
    chip = chip_by_name(target.chip)
    if chip is None or chip.name != package.chip:
        refusals.append(
            Refusal(
                Reason.WRONG_CHIP,
                f"The firmware is for {package.chip or 'an unknown chip'}; the module has an {target.chip}. "
                "Use the firmware for this module.",
            )
        )
        return refusals  # all else would only repeat it
    refusals += _check_board(package, target)
    refusals += _check_revision(package, target)
    refusals += _check_size(package, target)
    refusals += _check_security(package, target)
    refusals += _check_version(package, target)
    against = reason_against(package, target)
    if against is not None:
        refusals.append(Refusal(against.kind, against.sentence))
    return refusals


def check_alone(package: FirmwarePackage) -> list[Refusal]:
    """What speaks against a package on any module: no signature that is trusted here, one for secure boot that does
    not hold, or no application in it."""
    refusals = [*_check_signature(package), *_check_boot_signatures(package)]
    if package.app is None:
        refusals.append(Refusal(Reason.NO_APP, "There is no application in it. Use a complete firmware."))
    return refusals


def warnings_for(package: FirmwarePackage, target: Target) -> list[str]:
    """What a person should know before going on, though nothing forbids it."""
    warnings = []
    if target.table_damaged:
        warnings.append(
            "The partition table of the module is damaged; the firmware's is written. Should settings or calibration "
            "be missing afterwards, restore the last backup of before the damage."
        )
    if target.installed_version is not None:
        if is_newer(target.installed_version, package.version):
            warnings.append(
                f"The module runs {target.installed_version}, newer than {package.version}: this is a downgrade."
            )
        elif parse_version(target.installed_version) == parse_version(package.version) is not None:
            warnings.append(f"The module runs {target.installed_version} already.")
    if package.min_version is not None and parse_version(target.installed_version or "") is None:
        warnings.append(
            f"The firmware wants {package.min_version} or later on the module; what runs there is not known."
        )
    if package.boards and target.board is None:
        warnings.append(f"The firmware is for {_join(package.boards)}; the module's board is not known.")
    return warnings


def _check_signature(package: FirmwarePackage) -> Iterator[Refusal]:
    if package.signature == "none":
        yield Refusal(
            Reason.UNSIGNED,
            "The firmware is not signed, so nobody vouches for it. Use a signed bundle, or allow it with "
            "--allow-unsigned if you made it yourself.",
        )
    elif package.signature == "unknown":
        yield Refusal(
            Reason.UNKNOWN_KEY,
            f"The firmware is signed with a key that is not trusted here ({(package.key_id or '')[:16]}...). Trust the "
            "key, or allow it with --allow-unsigned if you know who made it.",
        )


def _check_boot_signatures(package: FirmwarePackage) -> Iterator[Refusal]:
    for what, part, image in _images(package):
        if not all(block.holds for block in signature_blocks(part.data, image.length)):
            yield Refusal(
                Reason.TAMPERED,
                f"The signature for secure boot of the {what} does not hold: somebody changed it, or it was damaged. "
                "Get it again from its maker.",
            )


def _check_board(package: FirmwarePackage, target: Target) -> Iterator[Refusal]:
    if package.boards and target.board is not None and target.board not in package.boards:
        yield Refusal(
            Reason.WRONG_BOARD,
            f"The firmware is for {_join(package.boards)}; the module is a {target.board}. "
            "Use the firmware for this module.",
        )


def _check_revision(package: FirmwarePackage, target: Target) -> Iterator[Refusal]:
    """As the bootloaders do (ESP-IDF, `bootloader_common_loader.c`): nobody minds the upper limit of a bootloader."""
    for what, _, image in _images(package):
        highest = image.max_revision if what == "application" and not target.any_newer_revision else None
        yield from _within(target.chip_revision, image.min_revision, highest, f"The {what}", "chip revision")
    app = package.app_image.app if package.app_image is not None else None
    if app is not None:
        highest = app.max_efuse_block_revision if not target.any_newer_block else None
        yield from _within(
            target.block_revision, app.min_efuse_block_revision, highest, "The application", "eFuse block revision"
        )


def _within(revision: int | None, lowest: int, highest: int | None, what: str, kind: str) -> Iterator[Refusal]:
    if revision is None:
        return
    if revision < lowest:
        yield Refusal(
            Reason.CHIP_TOO_OLD,
            f"{what} needs {kind} {_revision(lowest)} or later; the module has {_revision(revision)}. "
            "Use a build for older chips.",
        )
    if highest is not None and revision > highest:
        yield Refusal(
            Reason.CHIP_TOO_NEW,
            f"{what} is for {kind}s up to {_revision(highest)}; the module has {_revision(revision)}. "
            "Use a newer firmware.",
        )


def _check_size(package: FirmwarePackage, target: Target) -> Iterator[Refusal]:
    size = target.flash_size
    for part in package.parts:
        if part.end > size:
            yield Refusal(
                Reason.TOO_LARGE,
                f'"{part.label}" ends at {part.end:#x}; the flash of the module at {size:#x}. '
                "Use a build for this flash size.",
            )
    if package.table is not None and package.table.end > size:
        yield Refusal(
            Reason.TOO_LARGE,
            f"The partition table needs {package.table.end >> 10} KiB of flash; the module has {size >> 10} KiB. "
            "Use a build for this flash size.",
        )
    for what, _, image in _images(package):
        if image.flash_size is not None and image.flash_size > size:
            yield Refusal(
                Reason.TOO_LARGE,
                f"The {what} is built for {image.flash_size >> 20} MiB of flash and would not start with the "
                f"{size >> 20} MiB of the module. Use a build for this flash size.",
            )


def _check_security(package: FirmwarePackage, target: Target) -> Iterator[Refusal]:
    if target.flash_encryption:
        yield Refusal(
            Reason.FLASH_ENCRYPTION,
            "The module encrypts its flash; plain firmware written by wire would stop it for good. "
            "Update it over the air.",
        )
    broken = list(_check_boot_signatures(package))
    yield from broken
    for what, part, image in _images(package):
        # On a module that boots, secure boot keeps the bootloader that is there.
        if target.secure_boot and not broken and (what == "application" or target.partition_table is None):
            why = why_not_started(what, part.data, image, target)
            if why is not None:
                yield Refusal(Reason.SECURE_BOOT, why)
    if target.secure_version is not None and package.app and package.secure_version < target.secure_version:
        yield Refusal(
            Reason.ROLLBACK,
            f"The firmware has secure version {package.secure_version}; the module starts only {target.secure_version} "
            "or later. Use a newer firmware.",
        )


def _check_version(package: FirmwarePackage, target: Target) -> Iterator[Refusal]:
    minimum, installed = package.min_version, target.installed_version
    if minimum is not None and installed is not None and is_newer(minimum, installed):
        yield Refusal(
            Reason.MINIMUM_VERSION,
            f"The firmware can be installed over {minimum} or later; the module runs {installed}. "
            f"Install {minimum} first.",
        )


def _images(package: FirmwarePackage) -> Iterator[tuple[str, Part, AppImage]]:
    for what, part, image in (
        ("application", package.app, package.app_image),
        ("bootloader", package.bootloader, package.bootloader_image),
    ):
        if part is not None and image is not None:
            yield what, part, image


def _revision(hundredths: int) -> str:
    return f"v{hundredths // 100}.{hundredths % 100}"


def _join(boards: tuple[str, ...]) -> str:
    return " or ".join(boards)
