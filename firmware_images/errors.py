"""Why a firmware is not taken: a closed list of reasons, each with one sentence for people."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What is wrong with a firmware, or why it does not belong on this module."""

    UNREADABLE = "unreadable"
    """No such file, no access, or no kind of package that is known here."""
    NOT_AN_IMAGE = "not-an-image"
    ENCRYPTED = "encrypted"
    TRUNCATED = "truncated"
    BAD_CHECKSUM = "bad-checksum"
    BAD_HASH = "bad-hash"
    NO_HASH = "no-hash"
    BAD_HEADER = "bad-header"
    TRAILING_BYTES = "trailing-bytes"
    BAD_TABLE = "bad-table"
    BAD_OTA_DATA = "bad-ota-data"
    BAD_MANIFEST = "bad-manifest"
    BAD_ARCHIVE = "bad-archive"
    UNSAFE_PATH = "unsafe-path"
    TOO_MUCH = "too-much"
    """More files, bytes or compression than a firmware can need."""
    DUPLICATE_NAME = "duplicate-name"
    TAMPERED = "tampered"
    BAD_KEY = "bad-key"
    SEVERAL_CHIPS = "several-chips"
    NO_APP = "no-app"
    INCONSISTENT = "inconsistent"
    """The parts contradict each other or what the manifest says of them."""
    WRONG_CHIP = "wrong-chip"
    WRONG_BOARD = "wrong-board"
    WRONG_OFFSET = "wrong-offset"
    OVERLAP = "overlap"
    TOO_LARGE = "too-large"
    CHIP_TOO_OLD = "chip-too-old"
    CHIP_TOO_NEW = "chip-too-new"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown-key"
    ROLLBACK = "rollback"
    SECURE_BOOT = "secure-boot"
    FLASH_ENCRYPTION = "flash-encryption"
    MINIMUM_VERSION = "minimum-version"
    INCOMPLETE = "incomplete"
    """The module needs more than the package holds: a blank module needs bootloader and partition table as well."""
    LAYOUT = "layout"
    """The module's flash layout has no room, and another layout would lose its settings."""


class ImageError(Exception):
    """A firmware that can't be taken by anyone. kind: for programs; sentence: what is wrong, what to do."""

    def __init__(self, kind: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
