"""The module's end of Sensix Link over a broker (docs/mqtt.md): one session a host, told apart by its tag. No threads;
times are given, in seconds since the module's start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from device_io.sensix_link.messages import (
    ErrorCode,
    ErrorReply,
    Hello,
    Message,
    StreamReply,
    StreamStart,
    StreamStop,
)
from device_io.sensix_link.samples import Coding
from device_io.virtual_module import firmware_answers as answers
from device_io.virtual_module.module import VirtualModule

SILENCE_S = 15.0
"""A host that says nothing for so long is forgotten."""
MOST_HOSTS = 8


@dataclass
class _Host:
    heard_s: float
    chips: int = 0
    coding: Coding = Coding.RAW24


class Sessions:
    """reply: publishes a message to the host with this tag."""

    def __init__(self, module: VirtualModule, reply: Callable[[str, Message], None]) -> None:
        self._module = module
        self._reply = reply
        self._hosts: dict[str, _Host] = {}

    @property
    def chips(self) -> int:
        """Chips that some host wants to see: bit n = chip n."""
        wanted = 0
        for host in self._hosts.values():
            wanted |= host.chips
        return wanted

    @property
    def coding(self) -> Coding:
        """DIFFERENCE where all hosts that take samples want it: they share one topic."""
        codings = {host.coding for host in self._hosts.values() if host.chips}
        return Coding.DIFFERENCE if codings == {Coding.DIFFERENCE} else Coding.RAW24

    def clear(self) -> None:
        """The module lost its broker: everybody begins anew."""
        self._hosts.clear()

    def tick(self, now: float) -> None:
        """Forget the hosts that went away."""
        self._hosts = {tag: host for tag, host in self._hosts.items() if now - host.heard_s <= SILENCE_S}

    def take(self, tag: str, kind: int, payload: bytes, now: float) -> None:
        """A request."""
        request_id, message = answers.request_of(kind, payload)
        host = self._hosts.get(tag)
        if isinstance(message, ErrorReply):
            self._reply(tag, message)
        elif isinstance(message, Hello):
            self._hello(tag, message, now)
        elif host is None:
            self._reply(tag, answers.no_session(request_id))
        else:
            host.heard_s = now
            self._reply(tag, self._answer(host, message, request_id, now))

    def _hello(self, tag: str, message: Hello, now: float) -> None:
        if tag not in self._hosts and len(self._hosts) >= MOST_HOSTS:
            text = f"{MOST_HOSTS} programs are connected already"
            self._reply(tag, ErrorReply(message.request_id, ErrorCode.BUSY, text))
            return
        reply = answers.hello_reply(message)
        if reply.chosen:
            self._hosts[tag] = _Host(now)
        self._reply(tag, reply)

    def _answer(self, host: _Host, message: Message, request_id: int, now: float) -> Message:
        if isinstance(message, StreamStart):
            reply = answers.stream_reply(self._module, replace(message, readings_period_ms=0))  # `bin` has them
            if isinstance(reply, StreamReply):
                host.chips, host.coding = reply.chips, Coding(reply.coding)
            return reply
        if isinstance(message, StreamStop):
            host.chips = 0
            return answers.stream_stopped(request_id)
        return answers.answer(self._module, lambda _: self._module.readings(), request_id, message, now)
