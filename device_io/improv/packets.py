"""Packets of Improv Wi-Fi serial: `IMPROV`, version 1, type, length, data, checksum. They share the line with log text
and Sensix Link frames."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

MAGIC = b"IMPROV"
VERSION = 1
MAX_DATA = 255


class PacketType(IntEnum):
    """What a packet is."""

    STATE = 1
    ERROR = 2
    COMMAND = 3
    RESULT = 4


class State(IntEnum):
    """Where the device stands. AWAITING: a person has to press something first."""

    AWAITING = 1
    READY = 2
    PROVISIONING = 3
    PROVISIONED = 4


class Error(IntEnum):
    """Why a command failed."""

    NONE = 0
    INVALID = 1
    UNKNOWN_COMMAND = 2
    UNABLE_TO_CONNECT = 3
    BAD_HOST_NAME = 5
    UNKNOWN = 255


class Command(IntEnum):
    """What a device can be asked for."""

    WIFI_SETTINGS = 1
    STATE = 2
    DEVICE_INFO = 3
    SCAN = 4


class Packet(NamedTuple):
    """One packet, its checksum good."""

    type: int
    data: bytes


class PacketError(ValueError):
    """What a packet's data can't mean."""


def encode(kind: PacketType, data: bytes) -> bytes:
    """A packet as it goes over the line, with the line feed that ends it. ValueError for more than 255 bytes."""
    if len(data) > MAX_DATA:
        raise ValueError(f"a packet carries 255 bytes at most, not {len(data)}")
    packet = MAGIC + bytes([VERSION, kind, len(data)]) + data
    return packet + bytes([sum(packet) & 0xFF]) + b"\n"


def encode_command(command: Command, texts: Iterable[str] = ()) -> bytes:
    """A command with its texts, each with its length in front. ValueError if they are too long."""
    return encode(PacketType.COMMAND, _with_texts(command, texts))


def encode_result(command: Command, texts: Iterable[str]) -> bytes:
    """The result of a command."""
    return encode(PacketType.RESULT, _with_texts(command, texts))


def parse_texts(data: bytes) -> tuple[int, tuple[str, ...]]:
    """(command, texts) of a COMMAND or RESULT packet. :raises PacketError: where lengths contradict each other."""
    if len(data) < 2 or data[1] != len(data) - 2:
        raise PacketError("the length of the texts is not that of the packet")
    texts, place = [], 2
    while place < len(data):
        end = place + 1 + data[place]
        if end > len(data):
            raise PacketError("a text is longer than the packet")
        texts.append(data[place + 1 : end].decode("utf-8", "replace"))
        place = end
    return data[0], tuple(texts)


def _with_texts(command: Command, texts: Iterable[str]) -> bytes:
    parts = [text.encode() for text in texts]
    body = b"".join(bytes([len(part)]) + part for part in parts)
    return bytes([command, len(body)]) + body


class PacketReader:
    """Takes packets out of a stream of bytes; the rest is for others."""

    def __init__(self) -> None:
        self._held = b""
        self._ended = False  # a packet was the last there was: its line feed may come

    def feed(self, data: bytes) -> tuple[list[Packet], bytes]:
        """Packets that are complete, and all bytes that belong to none, in order. What may become a packet waits."""
        data = self._held + data
        if self._ended and data:
            data, self._ended = data.removeprefix(b"\n"), False
        packets: list[Packet] = []
        rest = bytearray()
        while True:
            start = data.find(MAGIC)
            if start < 0:
                kept = _prefix_at_end(data)
                rest += data[: len(data) - kept]
                self._held = data[len(data) - kept :]
                return packets, bytes(rest)
            rest += data[:start]
            data = data[start:]
            if len(data) >= 7 and data[6] != VERSION:
                rest, data = rest + data[:6], data[6:]
                continue
            if len(data) < 9 or len(data) < 10 + data[8]:
                self._held = data
                return packets, bytes(rest)
            end = 9 + data[8]
            if sum(data[:end]) & 0xFF != data[end]:
                rest, data = rest + data[:6], data[6:]
                continue
            packets.append(Packet(data[7], data[9:end]))
            self._ended = len(data) == end + 1
            data = data[end + 1 :].removeprefix(b"\n")

    def flush(self) -> bytes:
        """What was held back: no more of it comes."""
        held, self._held = self._held, b""
        return held


def _prefix_at_end(data: bytes) -> int:
    """How many bytes at the end may begin the magic."""
    return next((size for size in range(len(MAGIC) - 1, 0, -1) if data.endswith(MAGIC[:size])), 0)
