"""Devices on a pseudo-terminal, at byte level: one that talks by itself, and a module that can misbehave."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import termios
import threading
import time
import tty

import numpy as np

from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Kind,
    Message,
    Probe,
    ProbeReply,
    SettingsRead,
    SettingsReply,
    StreamReply,
    StreamStart,
    StreamStop,
    identity_to_json,
    parse_message,
)
from device_io.sensix_link.samples import Coding, encode_samples
from device_io.source import ChannelInfo, ChipInfo, ModuleInfo

RATE_HZ = 4000.0
BLOCK = 80
FIRST_INDEX = 1_000_000
_MOST_UNSENT = 65_536
_SPEEDS = {getattr(termios, f"B{baud}"): baud for baud in (115_200, 921_600, 2_000_000, 3_000_000)}


def sample_counts(first: int, n: int = BLOCK) -> np.ndarray:
    """Counts [n, 2] of a FakeModule, as a function of the index."""
    index = np.arange(first, first + n)
    return np.stack([index * 37 % 200_001 - 100_000, index * 11 % 9_001], axis=1).astype(np.int32)


class PtyDevice:
    """A pty with a thread behind it. `port`: the name to open. Use as a context manager."""

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()  # the open slave keeps the pty when a program closes it
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.port = os.ttyname(self._slave)
        self._unsent = bytearray()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pty device")

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join(30)
        os.close(self.master)
        os.close(self._slave)

    def _run(self) -> None:
        while not self._ending.is_set():
            select.select([self.master], [], [], 0.01)
            with contextlib.suppress(BlockingIOError):
                self.received(os.read(self.master, 65536))
            self.tick()
            self._flush()

    def send(self, data: bytes) -> None:
        """On the device's thread. What the line has no room for goes out later; nothing is torn."""
        if len(self._unsent) < _MOST_UNSENT:
            self._unsent += data
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                del self._unsent[: os.write(self.master, self._unsent)]

    def received(self, data: bytes) -> None:
        """Bytes of the host."""

    def tick(self) -> None:
        """Every 10 ms or so."""


class Talker(PtyDevice):
    """Sends the same bytes ten times a second, whatever it hears."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = data
        self._next_s = 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + 0.1
            self.send(self._data)


class FakeModule(PtyDevice):
    """A module of one chip with two channels that does what it is told, wrongly if wanted. Never falls back by itself.

    baud: where it stands now. usable_bauds: those at which it understands anything. versions: lowest, highest. boots:
    whether it prints what it does instead of answering. lines_heard: lines of that since a host said something.
    """

    def __init__(
        self,
        *,
        baud: int = 115_200,
        usable_bauds: tuple[int, ...] = (115_200, 921_600, 2_000_000),
        offered_bauds: tuple[int, ...] = (115_200, 921_600, 2_000_000),
        versions: tuple[int, int] = (1, 1),
        boots: bool = False,
        identity: bytes | None = None,
    ) -> None:
        super().__init__()
        self.baud = baud
        self.boot_id = 1
        self.answers = True
        self.sends_samples = True
        self.requests: list[Message] = []
        self._usable = usable_bauds
        self._offered = offered_bauds
        self._versions = versions
        self._identity = identity
        self.boots = boots
        self.lines_heard = 0
        self._boot_line = 0
        self._host_there = False
        self._deframer = Deframer()
        self._streaming = False
        self._index = FIRST_INDEX
        self._next_s = 0.0
        self._confirm_until_s: float | None = None

    @property
    def info(self) -> ModuleInfo:
        channels = (ChannelInfo("V1", "V", 1e-3, 800.0), ChannelInfo("I1", "A", 1e-4, 80.0))
        return ModuleInfo(
            "00112233AABBCCDD", "1P-PowerMonitor1", "1P", "9.9", (ChipInfo(RATE_HZ, channels),),
            frozenset({"waveform-stream", "settings"}), self.boot_id, "fake",
        )  # fmt: skip

    def reboot(self) -> None:
        """Power-cycle: new boot id, index 0, baud of the start, no session. The port stays."""
        self.boot_id += 1
        self.baud, self._streaming, self._index = 115_200, False, 0

    def _line_works(self) -> bool:
        speed = _SPEEDS.get(termios.tcgetattr(self.master)[5], 0)
        return speed == self.baud and speed in self._usable

    def received(self, data: bytes) -> None:
        self._host_there = True
        if not self._line_works():
            self._deframer = Deframer()
            return
        for kind, payload in self._deframer.feed(data):
            message = parse_message(kind, payload)
            if message is not None and self.answers and not self.boots:
                self.requests.append(message)
                self._answer(message)

    def _reply(self, message: Message) -> None:
        self.send(encode_frame(message.kind, message.pack()))

    def _answer(self, message: Message) -> None:
        self._confirm_until_s = None
        if isinstance(message, Hello):
            self._streaming = False
            chosen = 1 if self._versions[0] <= 1 <= self._versions[1] else 0
            self._reply(HelloReply(message.request_id, chosen, *self._versions))
        elif isinstance(message, IdentityRequest):
            identity = self._identity or identity_to_json(self.info, self._offered, (0, 1))
            self._reply(IdentityReply(message.request_id, identity))
        elif isinstance(message, Baud):
            self.baud = message.baud  # whoever has the reply may look at it
            self._reply(BaudReply(message.request_id, message.baud))
            self._confirm_until_s = time.monotonic() + 1.0
        elif isinstance(message, Probe):
            self._reply(ProbeReply(message.request_id, message.data))
        elif isinstance(message, SettingsRead):
            self._reply(SettingsReply(message.request_id, {"name": "fake"}))
        elif isinstance(message, StreamStart):
            self._streaming = True
            self._reply(StreamReply(message.request_id, message.coding, message.chips, BLOCK, 0))
        elif isinstance(message, StreamStop):
            self._streaming = False
            self._reply(StreamReply(message.request_id, 0, 0, 0, 0))

    def tick(self) -> None:
        now_s = time.monotonic()
        if self.boots:
            self._boot_line += 1
            self.lines_heard += self._host_there
            self.send(b"I (%d) boot: still starting\r\n" % self._boot_line)
        if self._confirm_until_s is not None and now_s > self._confirm_until_s:
            self.baud, self._confirm_until_s = 115_200, None
        if now_s < self._next_s:
            return
        self._next_s = now_s + BLOCK / RATE_HZ
        if self._streaming and self.sends_samples and self.answers:
            index = self._index  # a restart may come between
            time_us = round(index / RATE_HZ * 1e6)
            payload = encode_samples(0, index, time_us, 0, sample_counts(index), Coding.RAW24)
            frame = encode_frame(Kind.SAMPLES, payload)
            self.send(frame if self._line_works() else bytes(byte ^ 0x5A for byte in frame))
        self._index += BLOCK
