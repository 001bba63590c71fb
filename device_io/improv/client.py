"""Our end of Improv Wi-Fi serial: who is there, which networks it sees, join one."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from device_io.improv.packets import (
    Command,
    Error,
    Packet,
    PacketError,
    PacketReader,
    PacketType,
    State,
    encode_command,
    parse_texts,
)
from device_io.source import LinkError, LinkErrorKind
from device_io.transport import Transport

ASK_S = 1.0
"""How often an unanswered question is asked again."""
ANSWER_S = 5.0
SCAN_S = 20.0
JOIN_S = 30.0


class ImprovDevice(NamedTuple):
    """What a device says of itself."""

    firmware: str
    version: str
    chip: str
    name: str


class Network(NamedTuple):
    """A network that the module sees. rssi_dbm: None where it does not tell."""

    ssid: str
    rssi_dbm: int | None
    locked: bool


class ImprovClient:
    """Speaks with a device over an open transport, from one thread. cancelled: ends every wait within 0.1 s."""

    def __init__(self, transport: Transport, name: str, cancelled: threading.Event | None = None) -> None:
        self._transport = transport
        self._name = name
        self._cancelled = cancelled or threading.Event()
        self._reader = PacketReader()
        self._waiting: list[Packet] = []

    def state(self) -> State:
        """Where the device stands. :raises LinkError: SILENT if it does not speak Improv."""
        self._send(Command.STATE)
        deadline, asked_s = time.monotonic() + ANSWER_S, time.monotonic()
        while time.monotonic() < deadline:
            packet = self._next(min(deadline, asked_s + ASK_S))
            if packet is None:
                self._send(Command.STATE)
                asked_s = time.monotonic()
            elif packet.type == PacketType.STATE and packet.data[:1] and packet.data[0] in list(State):
                return State(packet.data[0])
        raise LinkError(
            LinkErrorKind.SILENT,
            f"The module on {self._name} can't be given a network over USB. Update its firmware first.",
        )

    def device(self) -> ImprovDevice:
        """Who it is."""
        texts = self._ask(Command.DEVICE_INFO, (), ANSWER_S)
        return ImprovDevice(*(*texts, "", "", "", "")[:4])

    def networks(self) -> list[Network]:
        """What it sees, the strongest first, each name once."""
        self._begin(Command.SCAN, ())
        found: dict[str, Network] = {}
        deadline = time.monotonic() + SCAN_S
        while True:
            texts = self._result(Command.SCAN, deadline)
            if not texts:
                break
            rssi = texts[1] if len(texts) > 1 else ""
            network = Network(texts[0], int(rssi) if _is_whole(rssi) else None, texts[2:3] != ("NO",))
            known = found.get(network.ssid)
            if network.ssid and (known is None or (network.rssi_dbm or -200) > (known.rssi_dbm or -200)):
                found[network.ssid] = network
        return sorted(found.values(), key=lambda network: network.rssi_dbm or -200, reverse=True)

    def join(self, ssid: str, password: str) -> str | None:
        """Join a network. Returns the device's URL, if it tells one. :raises LinkError: REFUSED with the reason."""
        try:
            texts = self._ask(Command.WIFI_SETTINGS, (ssid, password), JOIN_S)
        except ValueError:
            raise LinkError(LinkErrorKind.REFUSED, "The network's name or password is too long.") from None
        return texts[0] if texts else None

    def _ask(self, command: Command, texts: tuple[str, ...], timeout_s: float) -> tuple[str, ...]:
        self._begin(command, texts)
        return self._result(command, time.monotonic() + timeout_s)

    def _begin(self, command: Command, texts: tuple[str, ...]) -> None:
        self._waiting.clear()
        self._send(command, texts)

    def _result(self, command: Command, deadline: float) -> tuple[str, ...]:
        while (packet := self._next(deadline)) is not None:
            if packet.type == PacketType.ERROR and packet.data[:1] not in (b"", b"\x00"):
                raise LinkError(LinkErrorKind.REFUSED, _sentence(command, packet.data[0]))
            if packet.type != PacketType.RESULT:
                continue
            try:
                asked, texts = parse_texts(packet.data)
            except PacketError:
                continue
            if asked == command:
                return texts
        raise LinkError(
            LinkErrorKind.SILENT,
            f"The module on {self._name} did not answer in time. Plug it in anew and try again.",
        )

    def _next(self, deadline: float) -> Packet | None:
        while not self._waiting:
            left_s = deadline - time.monotonic()
            if self._cancelled.is_set():
                raise LinkError(LinkErrorKind.REFUSED, "Stopped. The module keeps the network that it had.")
            if left_s <= 0.0:
                return None
            packets, _ = self._reader.feed(self._transport.read_available(min(left_s, 0.1)))
            self._waiting += packets
        return self._waiting.pop(0)

    def _send(self, command: Command, texts: tuple[str, ...] = ()) -> None:
        self._transport.write(encode_command(command, texts))


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()


def _sentence(command: Command, code: int) -> str:
    if code == Error.UNABLE_TO_CONNECT:
        return (
            "The module could not join the network. Check the password; the network must be a 2.4 GHz one that reaches "
            "the module."
        )
    if code == Error.UNKNOWN_COMMAND:
        what = "scan for networks" if command is Command.SCAN else "do this"
        return f"The module's firmware can't {what}. Type the network's name, or update the firmware."
    return f"The module refuses (Improv error {code}). Try again."
