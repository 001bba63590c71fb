"""One conversation with a module over an open transport: greeting, requests and their replies, change of baud.

Used by the one thread that owns the port. Whatever arrives meanwhile goes to the `Receiver`.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Sequence
from typing import Protocol, TypeVar

from device_io.sensix_link import rules
from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    ErrorCode,
    ErrorReply,
    Hello,
    HelloReply,
    Kind,
    Message,
    MessageError,
    Probe,
    ProbeReply,
    parse_message,
)
from device_io.source import LinkError, LinkErrorKind
from device_io.transport import Transport

POLL_S = 0.05
"""Longest wait for bytes: how soon a stop or a job is seen on a quiet line."""
REQUEST_TIMEOUT_S = 3.0
_SETTLE_S = 0.02
_PROBES = 3
_PROBE_TIMEOUT_S = 0.25
_RAISED_S = 0.35
_SEARCH_S = 5.0
_FIRST_GREETING_S = 1.0
_HEARD_BYTES = 256
_HEARD_LINES = 200

Reply = TypeVar("Reply", bound=Message)


class Receiver(Protocol):
    """Takes what arrives unasked."""

    def take_samples(self, payloads: list[bytes], host_time_ns: int) -> None:
        """Payloads of all SAMPLES frames of one read, in order."""

    def take_message(self, message: Message, host_time_ns: int) -> None:
        """A message that answers no request."""

    def take_text(self, lines: list[str]) -> None:
        """Lines of log text."""


class Stopped(Exception):
    """The owner wants to end."""


class SessionEnded(Exception):
    """The module restarted: it knows this session no more."""


class LinkSession:
    """A conversation at `baud` with what is behind `transport`.

    stopping: makes every wait end with Stopped, until `linger` is called.
    bytes_received, messages_bad: counters since the start.
    """

    def __init__(self, transport: Transport, name: str, receiver: Receiver, stopping: threading.Event) -> None:
        self.deframer = Deframer()
        self.bytes_received = 0
        self.messages_bad = 0
        self.baud = rules.START_BAUD
        self._transport = transport
        self._name = name
        self._receiver = receiver
        self._stopping: threading.Event | None = stopping
        self._request_id = random.randrange(255)
        self._reply: Message | None = None
        self._asking = False
        self._echoes = False
        self.greeted = False
        self._heard = b""
        self._heard_lines: list[str] = []
        self._sent_s = time.monotonic()
        self.heard_s = time.monotonic()  # when the last intact frame came

    def linger(self) -> None:
        """Go on although the owner stops: for the last words."""
        self._stopping = None

    def pump(self, timeout_s: float = POLL_S) -> None:
        """Hand on what arrives within the time; sends a PROBE when the module has not heard from us for long.

        :raises LinkError: if the port is gone. :raises Stopped: if the owner stops.
        :raises SessionEnded: if the module says so.
        """
        if self._stopping is not None and self._stopping.is_set():
            raise Stopped
        if self.greeted and not self._asking and time.monotonic() - self._sent_s >= 0.8 * rules.KEEP_ALIVE_S:
            self._send(Probe(self.next_id()))
        data = self._transport.read_available(min(timeout_s, POLL_S))
        if not data:
            return
        host_time_ns = time.time_ns()
        self.bytes_received += len(data)
        frames = self.deframer.feed(data)
        lines = self.deframer.take_text()
        if not self.greeted:
            self._remember(data, lines)
        elif lines:
            self._receiver.take_text(lines)
        if not frames:
            return
        self.heard_s = time.monotonic()
        samples = [payload for kind, payload in frames if kind == Kind.SAMPLES]
        if samples:
            self._receiver.take_samples(samples, host_time_ns)
        if len(samples) < len(frames):
            for kind, payload in frames:
                if kind != Kind.SAMPLES:
                    self._take_message(kind, payload, host_time_ns)

    def _take_message(self, kind: int, payload: bytes, host_time_ns: int) -> None:
        try:
            message = parse_message(kind, payload)
        except MessageError:
            self.messages_bad += 1
            return
        if message is None:
            return
        self._echoes = self._echoes or isinstance(message, Hello)
        request_id = getattr(message, "request_id", 0)
        if request_id == self._request_id:
            self._reply = message
        if isinstance(message, ErrorReply) and message.code == ErrorCode.NO_SESSION and self.greeted:
            raise SessionEnded
        if request_id == 0:
            self._receiver.take_message(message, host_time_ns)

    def _remember(self, data: bytes, lines: list[str]) -> None:
        if self.baud == rules.START_BAUD:  # at a wrong rate anything looks like rubbish
            self._heard = (self._heard + data)[:_HEARD_BYTES]
            self._heard_lines = (self._heard_lines + lines)[-_HEARD_LINES:]

    def request(self, message: Message, reply: type[Reply], timeout_s: float = REQUEST_TIMEOUT_S) -> Reply:
        """Send a request made with `next_id` and wait for its reply; asks again when none comes or a frame is damaged.

        :raises LinkError: SILENT without a reply, REFUSED when the module refuses.
        """
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0.0:
            answer = self._exchange(message, min(left_s, rules.REPLY_TIMEOUT_S))
            if isinstance(answer, reply):
                return answer
            if isinstance(answer, ErrorReply):
                raise LinkError(LinkErrorKind.REFUSED, answer.sentence())
        raise LinkError(
            LinkErrorKind.SILENT, f"The module on {self._name} answers no more. Unplug it and plug it in again."
        )

    def next_id(self) -> int:
        """The id for the next request; replies to older ones are dropped from now on."""
        self._request_id = self._request_id % 255 + 1
        return self._request_id

    def _send(self, message: Message) -> None:
        self._transport.write(encode_frame(message.kind, message.pack()))
        self._sent_s = time.monotonic()

    def _exchange(self, message: Message, timeout_s: float) -> Message | None:
        """The answer to one sending; none after the time, or once a frame came damaged that may have been it."""
        self._reply = None
        self._send(message)
        damaged = self.deframer.frames_damaged
        deadline = time.monotonic() + timeout_s
        self._asking = True
        try:
            while self._reply is None and (left_s := deadline - time.monotonic()) > 0.0:
                self.pump(left_s)
                if self.greeted and self.deframer.frames_damaged > damaged:
                    self.pump(_SETTLE_S)  # it may have been another one
                    break
        finally:
            self._asking = False
        return self._reply

    def greet(self, timeout_s: float) -> None:
        """Find the module: HELLO until it answers, at the baud of the start, then at those it may have been left at.

        :raises LinkError: SILENT, NOT_A_MODULE or NEWER_PROTOCOL, and those of the transport.
        """
        began = time.monotonic()
        rates = [(_FIRST_GREETING_S, rules.START_BAUD)]
        rates += [(_RAISED_S, baud) for baud in (2_000_000, 921_600, 3_000_000)]
        rates += [(timeout_s, rules.START_BAUD)]
        for seconds, baud in rates:
            if baud != rules.START_BAUD and self._heard_lines and not self.deframer.frames_damaged:
                continue  # it prints plain text at the baud of the start: it may be booting
            with contextlib.suppress(LinkError):  # an adapter that can't run this fast was not left at it
                self._set_baud(baud)
            end = min(time.monotonic() + seconds, began + timeout_s)
            while (left_s := end - time.monotonic()) > 0.0:
                hello = Hello(self.next_id(), rules.VERSION_LOWEST, rules.VERSION_HIGHEST)
                answer = self._exchange(hello, min(left_s, rules.HELLO_INTERVAL_S))
                if isinstance(answer, HelloReply):
                    self._accept(answer)
                    return
        raise self._no_module()

    def _accept(self, answer: HelloReply) -> None:
        if not rules.VERSION_LOWEST <= answer.chosen <= rules.VERSION_HIGHEST:
            sentence = rules.version_problem(answer.lowest, answer.highest) or (
                f"The module chose link protocol {answer.chosen}, which is unknown here: update this program."
            )
            raise LinkError(LinkErrorKind.NEWER_PROTOCOL, sentence)
        self.greeted = True
        if self._heard_lines:
            self._receiver.take_text(self._heard_lines)
            self._heard_lines = []

    def _no_module(self) -> LinkError:
        if self._echoes:
            return LinkError(
                LinkErrorKind.NOT_A_MODULE,
                f"What is connected to {self._name} sends back what it is sent: it is not a Sensix module. "
                "Choose another port.",
            )
        if self.deframer.frames_good:
            return LinkError(
                LinkErrorKind.SILENT,
                f"The module on {self._name} sends but does not answer. Unplug it and plug it in again.",
            )
        if not self._heard:
            return LinkError(
                LinkErrorKind.SILENT,
                f"Nothing answers on {self._name}. Check that a Sensix module is connected and has power.",
            )
        return LinkError(
            LinkErrorKind.NOT_A_MODULE,
            f"What is connected to {self._name} is not a Sensix module: it sends {self._what_was_heard()}. "
            "Choose another port.",
        )

    def _what_was_heard(self) -> str:
        # The first line may have been cut.
        lines = self._heard_lines[1:2] or self._heard_lines[:1]
        text = lines[0] if lines else self._heard.decode("utf-8", "replace")
        plain = sum(character.isprintable() and character != "\ufffd" for character in text)
        text = " ".join("".join(c for c in text if c.isprintable() or c == "\t").split())
        if not text or plain < 0.8 * len(text):
            return f"bytes without a meaning ({self._heard[:8].hex(' ')})"
        words = text if len(text) <= 40 else text[:40].rsplit(" ", 1)[0] + "…"
        return f"GPS positions ({words})" if text.startswith(("$G", "$BD", "$P")) and "," in text else f"“{words}”"

    def raise_baud(self, bauds: Sequence[int], unusable: set[int]) -> None:
        """Go to the first of these rates that works, else stay at the baud of the start.

        unusable: rates not to try; those that turn out so are added.

        :raises LinkError: if the module is lost on the way.
        """
        for baud in bauds:
            if baud in unusable:
                continue
            try:
                self.request(Baud(self.next_id(), baud), BaudReply)
            except LinkError as error:
                if error.kind != LinkErrorKind.REFUSED:
                    raise
                continue
            time.sleep(rules.BAUD_SWITCH_DELAY_S)
            switched_s = time.monotonic()
            if self._try_baud(baud):
                return
            unusable.add(baud)
            self._set_baud(rules.START_BAUD)
            while time.monotonic() - switched_s < rules.BAUD_CONFIRM_S + 0.1:
                self.pump()
            if not any(self._exchange(Probe(self.next_id()), _PROBE_TIMEOUT_S) for _ in range(_PROBES)):
                self.greet(_SEARCH_S)  # it heard our PROBE, but we did not hear its answer
                return

    def _try_baud(self, baud: int) -> bool:
        try:
            self._set_baud(baud)
        except LinkError:
            return False
        # Every byte value, so that also a rate that is nearly right shows.
        pattern = bytes(i * 167 % 256 for i in range(256))
        answers = (self._exchange(Probe(self.next_id(), pattern), _PROBE_TIMEOUT_S) for _ in range(_PROBES))
        return any(isinstance(answer, ProbeReply) and answer.data == pattern for answer in answers)

    def _set_baud(self, baud: int) -> None:
        if baud != self.baud:
            self._transport.set_baud(baud)
            self.baud = baud
