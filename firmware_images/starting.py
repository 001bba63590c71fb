"""Whether the chip of a module would start what is put on it: secure boot, and the lowest secure version."""

from __future__ import annotations

from collections.abc import Callable

from firmware_images.chips import SECTOR, TABLE_OFFSET, TABLE_SIZE, chip_by_name
from firmware_images.errors import ImageError, Reason
from firmware_images.image import AppImage, parse_image
from firmware_images.ota_data import OTA_DATA_SIZE
from firmware_images.partition_table import Partition, parse_partition_table
from firmware_images.plan import boot_order, booting_partition
from firmware_images.secure_boot import holds_v1, signature_blocks
from firmware_images.target import Target


def why_not_started(what: str, data: bytes, image: AppImage, target: Target) -> str | None:
    """Why the secure boot of a module would not start an image, None when it would. what: its name in the sentence."""
    wanted = "v1" if target.secure_boot_v1 else "v2"
    if image.secure_boot_signature != wanted:
        version = "version 1 of secure boot" if target.secure_boot_v1 else "secure boot"
        return (
            f"The module starts only what is signed for {version}, and this {what} is not. Use its maker's signed "
            "firmware."
        )
    if target.secure_boot_v1:
        if target.bootloader is not None and holds_v1(data, image.length, target.bootloader):
            return None
        return (
            f"The module has version 1 of secure boot, and its bootloader holds no key by which this {what} is signed: "
            "it would not start. Use its maker's firmware for this module."
        )
    if not target.key_digests:
        return (
            "The module starts only what is signed for secure boot, and its eFuses do not tell by whom. Update it over "
            "the air, as its maker describes."
        )
    blocks = signature_blocks(data, image.length)
    known = blocks[:1] if image.chip.name == "ESP32" else blocks  # the ROM of the ESP32 looks at the first one only
    if any(block.holds and block.key_digest in target.key_digests for block in known):
        return None
    return (
        f"This {what} is signed for secure boot with another key ({known[0].key_digest[:16]}...) than those the module "
        f"trusts ({target.key_digests[0][:16]}...): it would not start any more. Use its maker's signed firmware."
    )


def running_partition(target: Target, read: Callable[[int, int], bytes]) -> Partition | None:
    """The partition whose application boots: the first in the bootloader's order that holds a sound one. None where
    there is none, or no layout. read: of the flash, (offset, size)."""
    if target.partition_table is None:
        return None
    order = boot_order(target.partition_table, target.ota_data)
    return next((place for place in order if _is_sound(place, target, read)), None)


def _is_sound(place: Partition, target: Target, read: Callable[[int, int], bytes]) -> bool:
    data, piece = b"", SECTOR
    while True:
        data += read(place.offset + len(data), min(piece, place.size - len(data)))
        try:
            return parse_image(data).chip == chip_by_name(target.chip)
        except ImageError as wrong:
            # Hardly more is read than the image is long, for a wire is slow.
            if wrong.kind is not Reason.TRUNCATED or len(data) == place.size:
                return wrong.kind is Reason.NO_HASH
        piece = 16 * SECTOR


def why_flash_would_not_start(flash: bytes, target: Target) -> str | None:
    """Why a module with these eFuses would not start what a whole flash holds, None when nothing speaks against it.

    Looked at is the application that would boot; contents without any are as they were when they were kept. Below the
    partition table stands the bootloader, which secure boot keeps."""
    chip = chip_by_name(target.chip)
    if chip is None or not (target.secure_boot or target.secure_version):
        return None
    try:
        table = parse_partition_table(flash[TABLE_OFFSET : TABLE_OFFSET + TABLE_SIZE])
        place = table.ota_data
        ota_data = flash[place.offset :][:OTA_DATA_SIZE] if place is not None else None
        booting = booting_partition(table, ota_data)
        if booting is None:
            return None
        data = flash[booting.offset : booting.end]
        image = parse_image(data)
    except ImageError:
        return None
    if target.secure_boot and (why := why_not_started("application", data, image, target)) is not None:
        return why
    version = image.app.secure_version if image.app is not None else 0
    if target.secure_version is not None and version < target.secure_version:
        return (
            f"The application in it has secure version {version}; the module starts only {target.secure_version} or "
            "later. Choose another backup."
        )
    return None
