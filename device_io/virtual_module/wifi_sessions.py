"""The module's end of Sensix Link over a broker (docs/mqtt.md): one session a host, told apart by its tag. No threads;
times are given, in seconds since the module's start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device_io.sensix_link.messages import (
    ErrorCode,
    ErrorReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Message,
    MessageError,
    Probe,
    ProbeReply,
    ReadingsMessage,
    ReadingsRequest,
    SettingsRead,
    SettingsReply,
    SettingsWrite,
    StreamReply,
    StreamStart,
    StreamStop,
    identity_to_json,
    parse_message,
)
from device_io.sensix_link.rules import VERSION_HIGHEST, VERSION_LOWEST, choose_version
from device_io.sensix_link.samples import Coding
from device_io.virtual_module.front_end import SAMPLE_RATE_HZ
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.settings import SettingError

SILENCE_S = 15.0
"""A host that says nothing for so long is forgotten."""
MOST_HOSTS = 8
_SETTING_ERRORS = {
    "unknown": ErrorCode.UNKNOWN_SETTING,
    "read-only": ErrorCode.READ_ONLY,
    "bad-value": ErrorCode.BAD_VALUE,
}


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
        request_id = payload[0] if payload else 0
        try:
            message = parse_message(kind, payload)
        except MessageError as error:
            self._refuse(tag, request_id, ErrorCode.MALFORMED, str(error))
            return
        host = self._hosts.get(tag)
        if message is None:
            self._refuse(tag, request_id, ErrorCode.UNKNOWN_REQUEST, f"kind {kind} is not known to this firmware")
        elif isinstance(message, Hello):
            self._hello(tag, message, now)
        elif host is None:
            self._refuse(tag, request_id, ErrorCode.NO_SESSION, "say HELLO first")
        else:
            host.heard_s = now
            self._answer(tag, host, message, request_id, now)

    def _hello(self, tag: str, message: Hello, now: float) -> None:
        if tag not in self._hosts and len(self._hosts) >= MOST_HOSTS:
            self._refuse(tag, message.request_id, ErrorCode.BUSY, f"{MOST_HOSTS} programs are connected already")
            return
        chosen = choose_version(message.lowest, message.highest, VERSION_LOWEST, VERSION_HIGHEST)
        if chosen:
            self._hosts[tag] = _Host(now)
        self._reply(tag, HelloReply(message.request_id, chosen, VERSION_LOWEST, VERSION_HIGHEST))

    def _answer(self, tag: str, host: _Host, message: Message, request_id: int, now: float) -> None:
        module = self._module
        if isinstance(message, Probe):
            self._reply(tag, ProbeReply(request_id, message.data))
        elif isinstance(message, IdentityRequest):
            self._reply(tag, IdentityReply(request_id, identity_to_json(module.info)))
        elif isinstance(message, SettingsRead):
            self._reply(tag, SettingsReply(request_id, module.settings))
        elif isinstance(message, SettingsWrite):
            self._write(tag, request_id, message.values)
        elif isinstance(message, StreamStart):
            self._start(tag, host, message)
        elif isinstance(message, StreamStop):
            host.chips = 0
            self._reply(tag, StreamReply(request_id, int(Coding.RAW24), 0, 0, 0))
        elif isinstance(message, ReadingsRequest):
            self._reply(tag, ReadingsMessage(request_id, module.device_time_us(now), module.readings()))
        else:
            self._refuse(tag, request_id, ErrorCode.UNKNOWN_REQUEST, "there is nothing to do with this over a broker")

    def _write(self, tag: str, request_id: int, values: Mapping[str, str | int | float | bool | None]) -> None:
        try:
            self._module.settings.write(values)
        except SettingError as error:
            self._refuse(tag, request_id, _SETTING_ERRORS[error.reason], str(error))
        else:
            self._reply(tag, SettingsReply(request_id, self._module.settings))

    def _start(self, tag: str, host: _Host, message: StreamStart) -> None:
        count = len(self._module.info.chips)
        if message.chips >> count:
            self._refuse(tag, message.request_id, ErrorCode.BAD_VALUE, f"there are {count} chips")
        elif message.coding not in list(Coding):
            self._refuse(tag, message.request_id, ErrorCode.UNSUPPORTED, f"there is no coding {message.coding}")
        else:
            host.chips, host.coding = message.chips, Coding(message.coding)
            samples = round(SLOT_S * SAMPLE_RATE_HZ)
            self._reply(tag, StreamReply(message.request_id, message.coding, message.chips, samples, 0))

    def _refuse(self, tag: str, request_id: int, code: ErrorCode, text: str) -> None:
        self._reply(tag, ErrorReply(request_id, code, text))
