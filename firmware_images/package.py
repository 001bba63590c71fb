"""A firmware package: what it holds and says, however it came (bundle, build folder, manifest, single file)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from firmware_images.chips import TABLE_OFFSET
from firmware_images.image import AppImage, parse_image
from firmware_images.partition_table import PartitionTable, parse_partition_table
from firmware_images.signing import Signature

Role = Literal["bootloader", "partition-table", "ota-data", "app", "data"]
Kind = Literal["bundle", "build-folder", "web-manifest", "image", "merged-image"]


@dataclass(frozen=True)
class Part:
    """Bytes for a place in the flash. offset: in bytes; label: of its partition, or the file's name."""

    offset: int
    data: bytes = field(repr=False)
    role: Role
    label: str

    @property
    def end(self) -> int:
        """The first byte of the flash behind it."""
        return self.offset + len(self.data)

    @property
    def sha256(self) -> str:
        """Of the data, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class FirmwarePackage:
    """A firmware whose parts are whole, in their places and for one chip. Made by `open_package`.

    boards: those it is for, () for any. wiring_types: systems it can measure, () when it does not say.
    version: of the manifest, else of the application, "" when neither tells. min_version: the oldest version that may
    be installed when this one comes. secure_version: the application's, for anti-rollback. key_id, signer: of the key
    that signed (signer "" when the key is not trusted here).
    """

    kind: Kind
    name: str
    chip: str
    version: str
    project: str
    parts: tuple[Part, ...]
    signature: Signature = "none"
    key_id: str | None = None
    signer: str = ""
    boards: tuple[str, ...] = ()
    wiring_types: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str | None = None
    min_version: str | None = None
    secure_version: int = 0

    @property
    def board(self) -> str | None:
        """The first board it is for, None when it is for any."""
        return self.boards[0] if self.boards else None

    @property
    def app(self) -> Part | None:
        """The application that this firmware is about; the one at the lowest place, should there be more."""
        return next((part for part in self.parts if part.role == "app"), None)

    @property
    def bootloader(self) -> Part | None:
        return next((part for part in self.parts if part.role == "bootloader"), None)

    @cached_property
    def app_image(self) -> AppImage | None:
        """What the application says of itself."""
        return parse_image(self.app.data) if self.app is not None else None

    @cached_property
    def bootloader_image(self) -> AppImage | None:
        """What the bootloader says of itself."""
        return parse_image(self.bootloader.data) if self.bootloader is not None else None

    @cached_property
    def table(self) -> PartitionTable | None:
        """The layout of the flash that it brings along."""
        part = next((part for part in self.parts if part.role == "partition-table"), None)
        return parse_partition_table(part.data) if part is not None and part.offset == TABLE_OFFSET else None
