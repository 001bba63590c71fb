"""The sending end of a serial line: frames leave in order, at the pace of the baud, from bounded queues."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable

import numpy as np

from device_io.virtual_module.faults import NO_FAULTS, Faults

BITS_PER_BYTE = 10
"""Start bit, eight data bits, stop bit."""
MAX_REPLIES = 65_536
"""Bytes of replies and log text that wait at most; then the newest are lost, as in a full buffer."""
STREAM_QUEUE_S = 0.25
"""Time that waiting sample frames may take on the line; what does not fit is left out by the caller."""


class Transmitter:
    """Replies and text go before sample frames that have not begun to leave. A frame is never torn.

    `write` takes bytes and returns how many the line accepted. `faults`: drop and corrupt are applied here.
    """

    def __init__(self, write: Callable[[bytes], int], baud: int, faults: Faults = NO_FAULTS, seed: int = 0) -> None:
        self.baud = baud
        self._write = write
        self._faults = faults
        self._rng = np.random.default_rng([seed, zlib.crc32(b"line")])
        self._replies: deque[bytes] = deque()
        self._stream: deque[bytes] = deque()
        self._sending = b""
        self._reply_bytes = 0
        self._stream_bytes = 0
        self._credit = 0.0
        self.hold_stream = False

    @property
    def idle(self) -> bool:
        """Whether no reply and no begun frame waits (sample frames may)."""
        return not self._sending and not self._replies

    def send_reply(self, data: bytes) -> None:
        """Queue a frame or text."""
        if self._reply_bytes + len(data) <= MAX_REPLIES:
            self._replies.append(data)
            self._reply_bytes += len(data)

    def send_samples(self, frames: list[bytes]) -> bool:
        """Queue the sample frames of one slot, all or none: False when the line can't carry them."""
        size = sum(map(len, frames))
        room = STREAM_QUEUE_S * self.baud / BITS_PER_BYTE
        if self._stream_bytes and self._stream_bytes + size > room:
            return False
        self._stream.extend(frames)
        self._stream_bytes += size
        return True

    def clear_stream(self) -> None:
        """Give up the sample frames that have not begun to leave."""
        self._stream.clear()
        self._stream_bytes = 0

    def clear(self) -> None:
        """Give up everything: nobody is on the line."""
        self.clear_stream()
        self._replies.clear()
        self._reply_bytes = 0
        self._sending = b""

    def run(self, seconds: float) -> None:
        """Send what the line carries in this time. Time in which nothing waits is not saved up."""
        self._credit += seconds * self.baud / BITS_PER_BYTE
        pieces: list[bytes] = []
        size = 0
        while size < self._credit:
            if not self._sending and not self._next_frame():
                break
            piece = self._sending[: int(self._credit - size) + 1]
            self._sending = self._sending[len(piece) :]
            pieces.append(piece)
            size += len(piece)
        if pieces:
            data = b"".join(pieces)
            accepted = self._write(data)
            self._sending = data[accepted:] + self._sending
            size = accepted
        self._credit = min(self._credit - size, 0.0)

    def _next_frame(self) -> bool:
        if self._replies:
            data = self._replies.popleft()
            self._reply_bytes -= len(data)
        elif self._stream and not self.hold_stream:
            data = self._stream.popleft()
            self._stream_bytes -= len(data)
        else:
            return False
        if self._faults.drop and self._rng.random() < self._faults.drop:
            return True  # lost on the way: takes no time, leaves nothing
        self._sending = self._corrupted(data) if self._faults.corrupt else data
        return True

    def _corrupted(self, data: bytes) -> bytes:
        hit = self._rng.random(len(data)) < self._faults.corrupt
        if not hit.any():
            return data
        flips = (1 << self._rng.integers(0, 8, len(data))).astype(np.uint8)
        return np.where(hit, np.frombuffer(data, np.uint8) ^ flips, np.frombuffer(data, np.uint8)).tobytes()
