"""A bare client of Sensix Link on a serial port: what a test says goes out, what comes in is sorted."""

from __future__ import annotations

import time

import serial

from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    Hello,
    IdentityRequest,
    Kind,
    Message,
    Probe,
    StreamStart,
    identity_from_json,
    parse_message,
)
from device_io.sensix_link.rules import BAUD_SWITCH_DELAY_S, START_BAUD
from device_io.sensix_link.samples import SampleDecoder
from device_io.source import SampleBlock


class RawLinkClient:
    """Opens `usb:...` at 115 200 baud. Every wait has a deadline and ends the test when it passes."""

    def __init__(self, url: str, deadline_s: float = 30.0) -> None:
        port = url.removeprefix("usb:")
        end = time.monotonic() + deadline_s
        while True:
            try:
                self.serial = serial.serial_for_url(port, baudrate=115_200, timeout=0.02)
                break
            except (serial.SerialException, OSError):
                assert time.monotonic() < end, f"{port} does not open"
                time.sleep(0.02)
        self._paced = port.startswith("socket://")  # pyserial reads these byte by byte: take what fits the time
        self.deframer = Deframer()
        self.messages: list[Message] = []
        self.blocks: list[SampleBlock] = []
        self.text: list[str] = []
        self.decoder: SampleDecoder | None = None
        self._request = 0

    def __enter__(self) -> RawLinkClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.serial.close()

    def request_id(self) -> int:
        self._request = self._request % 255 + 1
        return self._request

    def send(self, message: Message) -> None:
        self.serial.write(encode_frame(message.kind, message.pack()))

    def poll(self) -> None:
        """Take in what is there (waits 20 ms at most when nothing is)."""
        data = self.serial.read(16_384 if self._paced else max(1, self.serial.in_waiting))
        payloads = []
        for kind, payload in self.deframer.feed(data):
            if kind == Kind.SAMPLES:
                payloads.append(payload)
            else:
                message = parse_message(kind, payload)
                assert message is not None
                self.messages.append(message)
        if payloads and self.decoder is not None:
            self.blocks += self.decoder.decode(payloads, time.time_ns())
        self.text += self.deframer.take_text()

    def wait(self, condition, deadline_s: float = 30.0, keep_alive: bool = True):
        """Poll until `condition()` is true; returns its value."""
        end = time.monotonic() + deadline_s
        probe_at = time.monotonic() + 0.5
        while not (value := condition()):
            assert time.monotonic() < end, "the module did not do it in time"
            if keep_alive and time.monotonic() > probe_at:
                self.send(Probe(self.request_id()))
                probe_at += 0.5
            self.poll()
        return value

    def ask(self, message: Message, kind: Kind, deadline_s: float = 30.0) -> Message:
        """Send a request, repeat it every 0.5 s, return the reply of that kind to it."""
        self.messages.clear()
        end = time.monotonic() + deadline_s
        while True:
            self.send(message)
            again = time.monotonic() + 0.5
            while time.monotonic() < again:
                self.poll()
                for reply in self.messages:
                    if reply.kind == kind and getattr(reply, "request_id", None) == message.request_id:
                        return reply
            assert time.monotonic() < end, f"no {kind.name} to {message}"

    def open_session(self) -> None:
        """HELLO and IDENTITY."""
        self.hello = self.ask(Hello(self.request_id(), 1, 1), Kind.HELLO_REPLY)
        self.info = identity_from_json(self.ask(IdentityRequest(self.request_id()), Kind.IDENTITY_REPLY).identity)
        chips = dict(enumerate(self.info.chips))
        self.decoder = SampleDecoder(
            {n: chip.nominal_rate_hz for n, chip in chips.items()}, {n: len(chip.channels) for n, chip in chips.items()}
        )
        self.blocks.clear()

    def set_baud(self, baud: int) -> None:
        """BAUD, the switch, PROBE; all of it again where the module had no time for the PROBE and went back."""
        end = time.monotonic() + 30.0
        while True:
            self.ask(Baud(self.request_id(), baud), Kind.BAUD_REPLY)
            time.sleep(BAUD_SWITCH_DELAY_S)  # the protocol's own pause
            self.serial.baudrate = baud
            try:
                self.ask(Probe(self.request_id(), b"hear"), Kind.PROBE_REPLY, 2.0)
                return
            except AssertionError:
                if time.monotonic() > end:
                    raise
            self.serial.baudrate = START_BAUD

    def start_stream(self, coding: int = 0, chips: int = 7, readings_period_ms: int = 0) -> Message:
        start = StreamStart(self.request_id(), coding, chips, 0, readings_period_ms)
        return self.ask(start, Kind.STREAM_REPLY)
