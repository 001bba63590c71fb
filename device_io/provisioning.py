"""A module's way into the network: WiFi by Improv, the broker by its settings, then its first reading there.

Passwords are handed over in memory and go to the module alone: no file, no log, no text of an error holds them.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from device_io.awaiting import result_of
from device_io.discovery.identify import identify
from device_io.improv.client import ImprovClient, Network
from device_io.improv.packets import State
from device_io.port_lease import Lease, leased
from device_io.sensix_link.rules import START_BAUD
from device_io.source import LinkError, LinkErrorKind, LinkPhase, LinkState, ModuleInfo, Readings, SampleBlock, Setting
from device_io.transport import open_transport
from device_io.urls import LinkUrl, MqttUrl
from device_io.usb_link import UsbLink
from resources.settings import settings_table

READING_S = 60.0
"""How long the first reading may take: joining the network, the broker's handshake, the module's own period."""
_HELLO_S = 8.0
_JOB_S = 5.0
_DOCTOR_S = 3.0
_CA = "mqtt_ca"


class Step(StrEnum):
    """Where it stands; each comes once, in this order."""

    WIFI = "wifi"
    SETTINGS = "settings"
    READING = "reading"


@dataclass(frozen=True)
class Wish:
    """What the module is to know. password: "" for an open network. broker: without one, WiFi is all."""

    ssid: str
    password: str = field(repr=False)
    broker: MqttUrl | None = None
    broker_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Provisioned:
    """How it ended. refused: nothing was written. step: the last one. module: its URL at the broker, where it got
    so far. notes: what a person should know."""

    result: Literal["ok", "refused", "failed"]
    reason: str = ""
    step: Step = Step.READING
    module: MqttUrl | None = None
    notes: tuple[str, ...] = ()


FirstReading = Callable[[MqttUrl, float], LinkError | None]
"""(module, seconds): wait for a reading of this module at its broker; what failed, None when it came."""


def networks(port: LinkUrl, cancelled: threading.Event | None = None) -> list[Network]:
    """The networks that a module sees, the strongest first. :raises LinkError:"""
    with leased(port.port) as lease, _improv(port, lease, cancelled) as client:
        client.state()
        return client.networks()


def provision(
    port: LinkUrl,
    wish: Wish,
    *,
    first_reading: FirstReading | None = None,
    reading_s: float = READING_S,
    progress: Callable[[Step], None] = lambda _: None,
    cancelled: threading.Event | None = None,
) -> Provisioned:
    """Bring the module on a USB port into the network, and wait until it is heard there."""
    step, wrote = Step.WIFI, False
    notes: list[str] = []
    module: MqttUrl | None = None
    try:
        _check(wish)
        ca = _certificate(wish.broker)
        with leased(port.port) as lease:
            progress(step)
            with _improv(port, lease, cancelled) as client:
                if client.state() is State.AWAITING:
                    raise LinkError(LinkErrorKind.REFUSED, "Press the button on the module, then try again.")
                wrote = True
                client.join(wish.ssid, wish.password)
            if wish.broker is None:
                return Provisioned("ok", "", step)
            step = Step.SETTINGS
            progress(step)
            info, settings = _write(port, lease, wish, ca, notes, cancelled or threading.Event())
        step = Step.READING
        progress(step)
        token = str(settings.get("mqtt_token") or wish.broker.token or "")
        module = replace(wish.broker, token=token, eui=info.eui)
        wait = first_reading or (lambda url, seconds: reading_at_broker(url, seconds, wish.broker_password, cancelled))
        failed = wait(module, reading_s)
        if failed is not None:
            return Provisioned("failed", str(failed), step, module, tuple(notes))
        return Provisioned("ok", "", step, module, tuple(notes))
    except LinkError as wrong:
        return Provisioned("failed" if wrote else "refused", str(wrong), step, module, tuple(notes))


def reading_at_broker(
    url: MqttUrl, seconds: float, password: str | None = None, cancelled: threading.Event | None = None
) -> LinkError | None:
    """Wait for a reading of a module at its broker. Where none comes, every link of the chain to the broker is looked
    at, and the first that is bad is what failed."""
    from device_io.mqtt.doctor import broker_checks
    from device_io.mqtt.wifi_link import WifiLink

    def prompt(_: str) -> str | None:
        return password

    stop = cancelled or threading.Event()
    listener = _Reader()
    link = WifiLink(url, silent_s=max(seconds, 15.0), stream=False, prompt=prompt)
    link.start(listener)
    try:
        left_s = seconds
        while left_s > 0.0 and not stop.is_set() and not listener.done.wait(0.1):
            left_s -= 0.1
    finally:
        link.stop()
    if listener.heard:
        return None
    if stop.is_set():
        return LinkError(LinkErrorKind.REFUSED, "Stopped. The module keeps what was written.")
    for check in broker_checks(url, listen_s=_DOCTOR_S, prompt=prompt, stop=stop):
        if check.state == "bad":
            return LinkError(LinkErrorKind.SILENT, f"{check.name}: {check.text} {check.advice}".rstrip())
    return None  # it came while the chain was looked at


class _Reader:
    """A sink that waits for the first reading."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.heard = False

    def on_identity(self, info: ModuleInfo) -> None:
        del info

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        del blocks

    def on_readings(self, readings: Readings) -> None:
        del readings
        self.heard = True
        self.done.set()

    def on_state(self, state: LinkState) -> None:
        if state.phase is LinkPhase.FAILED:
            self.done.set()

    def on_text(self, line: str) -> None:
        del line


@contextlib.contextmanager
def _improv(port: LinkUrl, lease: Lease, cancelled: threading.Event | None) -> Iterator[ImprovClient]:
    """An Improv conversation over a USB port that this program has the lease of."""
    transport = open_transport(port.port, START_BAUD, lease)
    try:
        yield ImprovClient(transport, port.port, cancelled)
    finally:
        transport.close()


def _check(wish: Wish) -> None:
    """:raises LinkError: (REFUSED) for what no module takes, before anything is written."""
    values: dict[str, Setting] = {"wifi_ssid": wish.ssid, "wifi_password": wish.password}
    if not wish.ssid:
        raise LinkError(LinkErrorKind.REFUSED, "The network has no name. Give it with --ssid.")
    if wish.password and len(wish.password.encode()) < 8:
        raise LinkError(LinkErrorKind.REFUSED, "The password of a WiFi has at least 8 characters. Check it.")
    if wish.broker is not None:
        values |= _broker_values(wish)
    table = settings_table()
    for key, value in values.items():
        problem = table[key].problem(value)
        if problem is not None:
            raise LinkError(LinkErrorKind.REFUSED, problem)


def _broker_values(wish: Wish) -> dict[str, Setting]:
    broker = wish.broker
    assert broker is not None
    values: dict[str, Setting] = {"mqtt_host": broker.host, "mqtt_port": broker.port, "mqtt_user": broker.user or ""}
    if broker.token:
        values["mqtt_token"] = broker.token
    if wish.broker_password is not None:
        values["mqtt_password"] = wish.broker_password
    return values


def _certificate(broker: MqttUrl | None) -> str | None:
    """The authority's certificate for the module: DER as base64 in one line. :raises LinkError: if it can't be read."""
    if broker is None or broker.ca is None:
        return None
    try:
        text = Path(broker.ca).read_text(encoding="ascii")
        first = text[text.index("-----BEGIN CERTIFICATE-----") :]
        first = first[: first.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")]
        ssl.PEM_cert_to_DER_cert(first)
    except (OSError, ValueError):
        raise LinkError(
            LinkErrorKind.UNKNOWN_CA, f"{broker.ca} can't be read as a certificate (PEM). Choose the authority's file."
        ) from None
    return "".join(first.splitlines()[1:-1])


def _write(
    port: LinkUrl, lease: Lease, wish: Wish, ca: str | None, notes: list[str], cancelled: threading.Event
) -> tuple[ModuleInfo, Mapping[str, Setting]]:
    """Write the broker's settings. Returns who the module is, and its settings as they then stand."""
    who = UsbLink(port, reconnect=False, hello_timeout_s=_HELLO_S, lease=lease)
    try:
        info = identify(who, _HELLO_S + 1.0, cancelled)
    finally:
        _check_going_on(cancelled)
    values = _broker_values(wish)
    link = UsbLink(port, reconnect=False, hello_timeout_s=_HELLO_S, lease=lease)
    link.start(_Reader())
    try:
        known = result_of(link.read_settings(), _HELLO_S + _JOB_S, cancelled)
        if ca is not None and _CA in known:
            values[_CA] = ca
        elif ca is not None:
            notes.append(
                "The module's firmware takes no certificate: it can check a broker only that has one of a public "
                "authority."
            )
        settings = result_of(link.write_settings({**values, "confirm": True}), _JOB_S, cancelled)
    except FutureTimeoutError:
        _check_going_on(cancelled)
        raise LinkError(
            LinkErrorKind.SILENT, f"The module on {port.port} took no settings in time. Plug it in anew and try again."
        ) from None
    finally:
        link.stop()
    wrong = [key for key, value in values.items() if key in settings and settings[key] not in (value, None)]
    if wrong:
        names = ", ".join(settings_table()[key].name for key in wrong if key in settings_table())
        raise LinkError(LinkErrorKind.REFUSED, f"The module did not keep {names}. Update its firmware and try again.")
    return info, settings


def _check_going_on(cancelled: threading.Event) -> None:
    """:raises LinkError: (REFUSED) when the person stopped it."""
    if cancelled.is_set():
        raise LinkError(LinkErrorKind.REFUSED, "Stopped. The module has the network, but not all of its broker.")
