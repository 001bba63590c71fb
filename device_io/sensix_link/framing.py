"""Frames on a serial line that also carries log text; docs/link-protocol.md section 2.

A frame is `C0`, the escaped bytes (marker, kind, payload, CRC-32), `C0`. Between frames a module prints UTF-8 text, in
which `C0` never occurs. Everything works on whole reads, never byte by byte.
"""

from __future__ import annotations

import re
import zlib
from collections import deque

import numpy as np

DELIMITER = 0xC0
ESCAPE = 0xDB
MARKER = 0xFA
"""First byte of every frame. Never part of UTF-8, so text can't be taken for a frame."""

MAX_PAYLOAD = 8192
"""Largest payload of a frame in bytes, before escaping."""
MAX_LINE = 1024
"""A longer line of log text is cut into pieces of this many bytes."""
MAX_LINES = 1000
"""Log lines kept until `take_text`; the oldest are dropped first."""

_OVERHEAD = 6  # marker, kind, CRC-32
_MAX_ESCAPED = 2 * (MAX_PAYLOAD + _OVERHEAD)
_CRC_RESIDUE = 0x2144DF1C  # CRC-32 of any message followed by its own CRC-32, little-endian

_DELIMITER = bytes([DELIMITER])
_ESCAPE = bytes([ESCAPE])
_ESCAPED_DELIMITER = b"\xdb\xdc"
_ESCAPED_ESCAPE = b"\xdb\xdd"
_UNESCAPED = {b"\xdc": _DELIMITER, b"\xdd": _ESCAPE}
_MEANT = np.zeros(256, np.uint8)  # the same for each byte, 0 where it is no escape
_MEANT[[0xDC, 0xDD]] = DELIMITER, ESCAPE
_MANY_BYTES = 4096

# Text has no control characters but BEL, BS, TAB, CR and ESC; the kinds of frames are control characters outside of
# these, so a frame whose marker was hit is not taken for text.
_TEXT = re.compile(rb"[\x07-\x09\x0d\x1b\x20-\x7e\x80-\xf4]*")
# Text behind the torn rest of a frame (a restart in mid-frame): binary bytes must not pass for it by chance.
_TEXT_AFTER_DAMAGE = re.compile(rb"[\t\x1b\x20-\x7e]{8,}\r?")
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def encode_frame(kind: int, payload: bytes) -> bytes:
    """One frame with a delimiter before and after, so that a broken delimiter costs one frame only.

    kind: 0..255. Raises ValueError for another kind or more than MAX_PAYLOAD bytes.
    """
    if not 0 <= kind <= 255:
        raise ValueError(f"kind {kind} does not fit in a byte")
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"payload of {len(payload)} bytes is longer than {MAX_PAYLOAD}")
    body = bytes([MARKER, kind]) + payload
    body += zlib.crc32(body).to_bytes(4, "little")
    body = body.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_DELIMITER, _ESCAPED_DELIMITER)
    return _DELIMITER + body + _DELIMITER


def _plain_segments(data: bytes) -> list[bytes | None]:
    """What stands before, between and behind the delimiters, without escapes; None where one of those is invalid."""
    plain = _plain_segments_at_once(data) if len(data) >= _MANY_BYTES else None
    return plain if plain is not None else [_without_escapes(segment) for segment in data.split(_DELIMITER)]


def _without_escapes(segment: bytes) -> bytes | None:
    head, *escaped = segment.split(_ESCAPE)
    try:
        return head + b"".join([_UNESCAPED[part[:1]] + part[1:] for part in escaped]) if escaped else segment
    except KeyError:
        return None


def _plain_segments_at_once(data: bytes) -> list[bytes | None] | None:
    """The same, twice as fast for many segments; None if any escape is invalid."""
    octets = np.frombuffer(data, np.uint8)
    escapes = (octets == ESCAPE).nonzero()[0]
    edges = (octets == DELIMITER).nonzero()[0]
    if escapes.size:
        meant = _MEANT.take(octets.take(escapes + 1, mode="clip"))
        if not meant.all():
            return None
        shorter = bytearray(data.translate(None, _ESCAPE))
        np.frombuffer(shorter, np.uint8)[escapes - np.arange(escapes.size)] = meant
        data = bytes(shorter)
        edges -= escapes.searchsorted(edges)
    starts, ends = [0, *(edges + 1).tolist()], [*edges.tolist(), len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)]


def _frame(segment: bytes) -> tuple[int, bytes] | None:
    """Kind and payload of a segment without escapes, None unless it is an intact frame."""
    intact = segment[0] == MARKER and zlib.crc32(segment) == _CRC_RESIDUE
    if intact and _OVERHEAD <= len(segment) <= MAX_PAYLOAD + _OVERHEAD:
        return segment[1], segment[2:-4]
    return None


class Deframer:
    """Takes frames and log lines out of the bytes of a line, however they are split or damaged. Never raises.

    What lies between two delimiters is a segment: an intact frame, else lines of text, else damage (counted once a
    segment, and once where a false delimiter has cut one frame in two). The result does not depend on how the bytes
    were split over the calls. Holds at most one segment of 2 x (MAX_PAYLOAD + 6) bytes and MAX_LINES lines.

    frames_good, frames_damaged, text_bytes: counters since the start; they only grow.
    """

    def __init__(self) -> None:
        self.frames_good = 0
        self.frames_damaged = 0
        self.text_bytes = 0
        self._open = bytearray()  # the segment that has no end yet
        self._is_lines = False  # its start has been consumed: the rest is lines, whatever it begins with
        self._is_damaged = False  # it has been counted as damaged
        self._after_damage = False  # the segment before it was damaged
        self._lines: deque[str] = deque(maxlen=MAX_LINES)

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """(kind, payload) of the frames that these bytes complete, in order."""
        data = bytes(data)
        last = data.rfind(_DELIMITER)
        if last < 0:
            self._open += data
            self._shorten_open_segment()
            return []
        whole, self._open = bytes(self._open) + data[:last], bytearray(data[last + 1 :])
        frames: list[tuple[int, bytes]] = []
        raw: list[bytes] = []
        for number, segment in enumerate(_plain_segments(whole)):
            if segment == b"" and not self._is_lines:
                self._after_damage = False
                continue
            frame = _frame(segment) if segment and not self._is_lines else None
            if frame is not None:
                frames.append(frame)
                self._after_damage = False
            else:
                raw = raw or whole.split(_DELIMITER)
                self._end_segment(raw[number])
        self.frames_good += len(frames)
        self._shorten_open_segment()
        return frames

    def take_text(self) -> list[str]:
        """Log lines finished since the last call, without line end and terminal codes; a delimiter ends a line too."""
        lines = list(self._lines)
        self._lines.clear()
        return lines

    def _end_segment(self, segment: bytes) -> None:
        for line in segment.split(b"\n"):
            self._take_line(line)
        self._after_damage = self._is_damaged
        self._is_lines = self._is_damaged = False

    def _shorten_open_segment(self) -> None:
        """Take finished lines out of the unfinished segment; give up a frame that has grown too long."""
        segment = self._open
        if not segment:
            return
        if not self._is_lines:
            if segment[0] == MARKER and len(segment) <= _MAX_ESCAPED:
                return
            if segment[0] != MARKER and len(segment) <= MAX_LINE and b"\n" not in segment:
                return
            self._is_lines = True
        *finished, rest = bytes(segment).split(b"\n")
        for line in finished:
            self._take_line(line)
        # Only whole pieces: the last one may still end with the line.
        cut = (len(rest) - 1) // MAX_LINE * MAX_LINE if rest else 0
        if cut:
            self._take_line(rest[:cut])
        self._open = bytearray(rest[cut:])

    def _take_line(self, line: bytes) -> None:
        for start in range(0, len(line), MAX_LINE):
            piece = line[start : start + MAX_LINE]
            pattern = _TEXT_AFTER_DAMAGE if self._is_damaged else _TEXT
            if pattern.fullmatch(piece):
                self.text_bytes += len(piece)
                text = _TERMINAL_CODES.sub("", piece.decode("utf-8", "replace")).rstrip()
                if text:
                    self._lines.append(text)
            elif not self._is_damaged:
                self._is_damaged = True
                if not self._after_damage or piece[0] == MARKER:
                    self.frames_damaged += 1
