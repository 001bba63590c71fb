"""The module that a firmware is meant for: what is known of it before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field

from firmware_images.partition_table import Partition, PartitionTable


@dataclass(frozen=True)
class Target:
    """A module. None stands for what is not known; a blank module has no partition table.

    chip: name ("ESP32-C3", however written). flash_size: bytes. chip_revision, block_revision (of the eFuse block, None
    on the ESP32 too, which has none): in hundredths (301 = v3.1). any_newer_revision, any_newer_block: the eFuses tell
    the bootloader not to mind an image's upper limit.
    partition_table, ota_data (0x2000 bytes), bootloader (from its offset on, any length): what lies in the flash now.
    table_damaged: there was a table, and nothing boots by it any more; then partition_table is None.
    running: the partition whose application really boots, where that was looked at: the chosen one may be damaged.
    installed_version: of the application that runs. secure_version: the lowest the eFuses let boot.
    secure_boot_v1: whether secure boot is that of version 1. key_digests: SHA-256 of the keys (64 hexadecimal digits)
    whose signatures secure boot of version 2 takes, () where the eFuses do not tell.
    """

    chip: str
    flash_size: int
    chip_revision: int | None = None
    block_revision: int | None = None
    any_newer_revision: bool = False
    any_newer_block: bool = False
    board: str | None = None
    partition_table: PartitionTable | None = None
    table_damaged: bool = False
    running: Partition | None = None
    installed_version: str | None = None
    secure_version: int | None = None
    secure_boot: bool = False
    secure_boot_v1: bool = False
    key_digests: tuple[str, ...] = ()
    flash_encryption: bool = False
    ota_data: bytes | None = field(default=None, repr=False)
    bootloader: bytes | None = field(default=None, repr=False)
