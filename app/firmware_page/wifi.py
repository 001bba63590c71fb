"""The WiFi view of the firmware page: networks in reach, joining one, the broker. It keeps no password."""

from __future__ import annotations

import threading
from collections.abc import Callable

from PySide6.QtCore import QObject, QTimer

from app.background import Background
from app.firmware_page.modules import Connected
from app.firmware_page.words import without_options
from device_io.improv.client import Network
from device_io.provisioning import Provisioned, Step, Wish, networks, provision
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_serial_url, parse_url
from widgets.controls.status_icon import Status
from widgets.firmware.model import Network as ShownNetwork
from widgets.firmware.model import Provisioning
from widgets.firmware.provisioning_card import ProvisioningCard

_STEPS = {
    Step.WIFI: "The module joins the network…",
    Step.SETTINGS: "Writing the address of the broker…",
    Step.READING: "Waiting for the first reading at the broker…",
}
_LOOK_EVERY_MS = 100
_BARS = ((-60, 4), (-70, 3), (-80, 2), (-200, 1))
"""(least level in dBm, bars)."""


class WifiSetup(QObject):
    """Fills the card. borrow: takes the module's port for a while, None where that can't be; give_back: ends that."""

    def __init__(
        self,
        card: ProvisioningCard,
        borrow: Callable[[], Connected | None],
        give_back: Callable[[], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._card, self._borrow, self._give_back = card, borrow, give_back
        self._background = Background(self)
        self._cancelled = threading.Event()
        self._step: Step | None = None  # set by the thread, looked at by this one
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._show_step)
        card.search_wanted.connect(self.search)
        card.provision_wanted.connect(self.provision)

    def search(self) -> None:
        """Ask the module which networks it sees."""
        module = self._borrow()
        if module is None:
            return
        url, self._cancelled = parse_serial_url(module.url), threading.Event()
        cancelled = self._cancelled
        self._card.set_told(Status.RUNNING, "The module looks for networks…")
        self._background.run(lambda: networks(url, cancelled), self._found, self._failed, "look for networks")

    def provision(self, asked: Provisioning) -> None:
        """Write what was asked for into the module."""
        try:
            broker = _broker(asked.broker)
        except LinkError as wrong:
            self._card.set_told(Status.BAD, str(wrong))
            return
        module = self._borrow()
        if module is None:
            return
        wish = Wish(asked.network, asked.password, broker, asked.broker_password or None)
        url, self._cancelled = parse_serial_url(module.url), threading.Event()
        cancelled = self._cancelled
        self._step = Step.WIFI
        self._show_step()
        self._look.start()
        self._background.run(
            lambda: provision(url, wish, progress=self._on_step, cancelled=cancelled),
            self._done,
            self._failed,
            "bring into the network",
        )

    def end(self) -> None:
        """Nothing more is wanted."""
        self._cancelled.set()
        self._look.stop()
        self._background.forget()

    def _on_step(self, step: Step) -> None:
        self._step = step

    def _show_step(self) -> None:
        if self._step is not None:
            self._card.set_told(Status.RUNNING, _STEPS[self._step])

    def _end_step(self) -> None:
        self._step = None
        self._look.stop()
        self._give_back()

    def _found(self, found: list[Network]) -> None:
        self._give_back()
        self._card.set_networks([_shown(network) for network in found])
        self._card.set_told(None if found else Status.WARN, "" if found else "The module sees no network.")

    def _done(self, ended: Provisioned) -> None:
        self._end_step()
        notes = " ".join(ended.notes)
        if ended.result != "ok":
            self._card.set_told(Status.BAD, f"{without_options(ended.reason)} {notes}".rstrip())
            return
        heard = f"It is heard at {ended.module.host}." if ended.module is not None else "It has joined the network."
        self._card.set_told(Status.WARN if notes else Status.OK, f"{heard} {notes}".rstrip())

    def _failed(self, error: Exception) -> None:
        self._end_step()
        text = str(error) if isinstance(error, LinkError) else "It did not work. Plug the module in anew and try again."
        self._card.set_told(Status.BAD, text)


def _broker(text: str) -> MqttUrl | None:
    """The broker's address; None for none. LinkError for what is no address of a broker."""
    if not text:
        return None
    address = text if "://" in text else f"mqtts://{text}"
    url = parse_url(address) if address.lower().startswith(("mqtt://", "mqtts://")) else None
    if not isinstance(url, MqttUrl):
        raise LinkError(LinkErrorKind.BAD_URL, "This is no broker. Write mqtts://HOST, or mqtts://USER@HOST:PORT.")
    return url


def _shown(network: Network) -> ShownNetwork:
    level = network.rssi_dbm if network.rssi_dbm is not None else -200
    bars = next((bars for least, bars in _BARS if level >= least), 1) if network.rssi_dbm is not None else 0
    return ShownNetwork(network.ssid, bars, network.locked)
