"""SLIP framing (RFC 1055) as the chip's loaders use it: 0xC0 at both ends."""

from __future__ import annotations

END = 0xC0
_ESCAPE = 0xDB
MAX_FRAME = 0x10000
"""Longer frames are noise: the largest real one carries 16 KiB."""


def slip_frame(data: bytes) -> bytes:
    """One frame."""
    return b"\xc0" + data.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class SlipDecoder:
    """Frames out of a stream of bytes; what stands outside of frames, empty and damaged frames are dropped."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that these bytes complete, unescaped."""
        frames: list[bytes] = []
        pieces = data.split(b"\xc0")
        for number, piece in enumerate(pieces):
            if self._frame is not None and len(self._frame) + len(piece) <= MAX_FRAME:
                self._frame += piece
            else:
                self._frame = None
            if number == len(pieces) - 1:
                break
            if self._frame:
                plain = _unescaped(bytes(self._frame))
                if plain is not None:
                    frames.append(plain)
                self._frame = None
            else:
                self._frame = bytearray()
        return frames


def _unescaped(frame: bytes) -> bytes | None:
    if _ESCAPE not in frame:
        return frame
    first, *rest = frame.split(b"\xdb")
    plain = bytearray(first)
    for piece in rest:
        if piece[:1] == b"\xdc":
            plain += b"\xc0" + piece[1:]
        elif piece[:1] == b"\xdd":
            plain += b"\xdb" + piece[1:]
        else:
            return None
    return bytes(plain)
