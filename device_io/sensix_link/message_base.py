"""What all messages share: kinds, error codes, and messages of integers only."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import ClassVar, Self

from device_io.sensix_link.json_payload import MessageError

U8 = struct.Struct("<B")


class Kind(IntEnum):
    """Kind of a frame. All are control characters that never occur in log text; see framing.py."""

    HELLO = 0x01
    HELLO_REPLY = 0x02
    IDENTITY = 0x03
    IDENTITY_REPLY = 0x04
    ERROR = 0x05
    SAMPLES = 0x06
    STATUS = 0x0E
    CLOCK = 0x0F
    SETTINGS_READ = 0x10
    SETTINGS_WRITE = 0x11
    SETTINGS_REPLY = 0x12
    BAUD = 0x13
    BAUD_REPLY = 0x14
    PROBE = 0x15
    PROBE_REPLY = 0x16
    STREAM_START = 0x17
    STREAM_STOP = 0x18
    STREAM_REPLY = 0x19
    READINGS_READ = 0x1A
    READINGS = 0x1C


class ErrorCode(IntEnum):
    """Why a module refuses a request."""

    UNKNOWN_REQUEST = 1
    MALFORMED = 2
    NOT_READY = 3
    UNSUPPORTED = 4
    BAD_VALUE = 5
    UNKNOWN_SETTING = 6
    READ_ONLY = 7
    BUSY = 8
    STORAGE_FAILED = 9
    NO_SESSION = 10


class Message(ABC):
    """What all messages have."""

    kind: ClassVar[Kind]

    @abstractmethod
    def pack(self) -> bytes:
        """The payload. Raises MessageError."""

    @classmethod
    @abstractmethod
    def unpack(cls, payload: bytes) -> Self:
        """The message in a payload. Raises MessageError."""


@dataclass(frozen=True)
class Fixed(Message):
    """A message of integers only, in the order of the fields."""

    kind: ClassVar[Kind]
    _layout: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        return pack_fields(self._layout, self.kind, *astuple(self))

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        return cls(*unpack_fields(cls._layout, cls.kind, payload))


@dataclass(frozen=True)
class Request(Fixed):
    """request_id: 1..255, chosen by the host; the reply echoes it."""

    _layout = struct.Struct("<B")
    request_id: int


def pack_fields(layout: struct.Struct, kind: Kind, *values: int) -> bytes:
    """The bytes of integers. Raises MessageError where one does not fit."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise MessageError(f"{kind.name} with {values} does not fit its fields: {error}.") from None


def unpack_fields(layout: struct.Struct, kind: Kind, payload: bytes) -> tuple[int, ...]:
    """The integers at the start of a payload. Raises MessageError if it is shorter than they are."""
    if len(payload) < layout.size:
        raise MessageError(f"{kind.name} payload has {len(payload)} bytes, {layout.size} at least are needed.")
    return layout.unpack_from(payload)
