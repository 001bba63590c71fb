"""The virtual module's end of Improv Wi-Fi serial, with a few networks in reach."""

from __future__ import annotations

from collections.abc import Callable

from device_io.improv.packets import (
    Command,
    Error,
    Packet,
    PacketError,
    PacketType,
    State,
    encode,
    encode_result,
    parse_texts,
)
from device_io.virtual_module.settings import Settings

NETWORKS = (("Workshop", -48, True), ("Garden", -79, True), ("Guests", -63, False))
"""(name, dBm, locked) of what it sees. A locked one takes every password of at least 8 characters, as WPA2 asks for,
that does not begin with "wrong"."""
SHORTEST_PASSWORD = 8


class VirtualImprov:
    """Answers packets; joining a network writes the settings. device: (firmware, version, chip, name)."""

    def __init__(self, settings: Settings, device: Callable[[], tuple[str, str, str, str]]) -> None:
        self._settings = settings
        self._device = device

    @property
    def state(self) -> State:
        """Provisioned as soon as there is a network in the settings."""
        return State.PROVISIONED if self._settings["wifi_ssid"] else State.READY

    def answer(self, packet: Packet) -> bytes:
        """What goes back, b"" for what is no command."""
        if packet.type != PacketType.COMMAND:
            return b""
        try:
            command, texts = parse_texts(packet.data)
        except PacketError:
            return _error(Error.INVALID)
        if command == Command.STATE:
            url = encode_result(Command.STATE, (self._url(),)) if self.state is State.PROVISIONED else b""
            return self._state() + url
        if command == Command.DEVICE_INFO:
            return encode_result(Command.DEVICE_INFO, self._device())
        if command == Command.SCAN:
            rows = (
                encode_result(Command.SCAN, (name, str(rssi), "YES" if locked else "NO"))
                for name, rssi, locked in NETWORKS
            )
            return b"".join(rows) + encode_result(Command.SCAN, ())
        if command == Command.WIFI_SETTINGS and len(texts) == 2:
            return self._join(*texts)
        return _error(Error.INVALID if command == Command.WIFI_SETTINGS else Error.UNKNOWN_COMMAND)

    def _join(self, ssid: str, password: str) -> bytes:
        trying = encode(PacketType.STATE, bytes([State.PROVISIONING]))
        locked = {name: locked for name, _, locked in NETWORKS}.get(ssid)
        wrong = len(password) < SHORTEST_PASSWORD or password.startswith("wrong")
        if locked is None or (locked and wrong):
            return (
                encode(PacketType.STATE, bytes([State.PROVISIONING])) + _error(Error.UNABLE_TO_CONNECT) + self._state()
            )
        self._settings.write({"wifi_ssid": ssid, "wifi_password": password, "confirm": True})
        trying = encode(PacketType.STATE, bytes([State.PROVISIONING])) + _error(Error.NONE)
        return trying + self._state() + encode_result(Command.WIFI_SETTINGS, (self._url(),))

    def _state(self) -> bytes:
        return encode(PacketType.STATE, bytes([self.state]))

    def _url(self) -> str:
        return "http://127.0.0.1/"


def _error(error: Error) -> bytes:
    return encode(PacketType.ERROR, bytes([error]))
