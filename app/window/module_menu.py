"""The menu behind the module selector: serial ports, a virtual module, an address typed by hand."""

from __future__ import annotations

import threading

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QInputDialog, QMenu, QWidget

from app.modules.serial_ports import serial_ports
from device_io.source import LinkError
from device_io.urls import parse_url


class ModuleMenu(QObject):
    """Asks which module to use. Ports are listed on a thread of their own: some drivers take a second to answer."""

    chosen = Signal(str)
    """URL of a module."""
    demo_chosen = Signal(str)
    """Name of a preset."""
    disconnect_chosen = Signal()
    broker_switched = Signal(bool)
    """The built-in broker should run, or end."""
    access_wanted = Signal()
    """A module should come to the built-in broker."""
    wrong = Signal(str)
    """One sentence about an address that can't be used."""

    _listed = Signal(object, object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._parent = parent
        self._listed.connect(self._show)
        self._listing: threading.Thread | None = None
        self.broker_runs = False

    def open_at(self, position: QPoint, connected: bool) -> None:
        """Show the menu at a point of the screen as soon as the ports are listed."""
        if self._listing is not None and self._listing.is_alive():
            return
        self._listing = threading.Thread(target=self._list, args=(position, connected), name="list ports", daemon=True)
        self._listing.start()

    def _list(self, position: QPoint, connected: bool) -> None:
        self._listed.emit((position, connected), serial_ports())

    def _show(self, where: tuple[QPoint, bool], ports: list[tuple[str, str]]) -> None:
        position, connected = where
        menu = self.build(ports, connected)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(position)

    def build(self, ports: list[tuple[str, str]], connected: bool) -> QMenu:
        """The menu for these (device, description) ports."""
        from device_io.virtual_module.presets import preset_names

        menu = QMenu(self._parent)
        menu.setToolTipsVisible(True)
        for device, description in ports:
            text = device if description in ("", "n/a") else f"{device}  ({description})"
            menu.addAction(text).triggered.connect(lambda _=False, device=device: self.chosen.emit(f"usb:{device}"))
        if not ports:
            nothing = menu.addAction("No serial port found: plug in a module")
            nothing.setEnabled(False)
        menu.addSeparator()
        demo = menu.addMenu("Virtual module")
        for name in preset_names():
            demo.addAction(name).triggered.connect(lambda _=False, name=name: self.demo_chosen.emit(name))
        menu.addAction("Other address…").triggered.connect(self._ask)
        menu.addSeparator()
        broker = menu.addAction("Built-in MQTT broker")
        broker.setToolTip("For modules in the WiFi of a home that has no broker of its own")
        broker.setCheckable(True)
        broker.setChecked(self.broker_runs)
        broker.toggled.connect(self.broker_switched)
        if self.broker_runs:
            menu.addAction("Password for a module…").triggered.connect(self.access_wanted)
        if connected:
            menu.addSeparator()
            menu.addAction("Disconnect").triggered.connect(self.disconnect_chosen)
        return menu

    def _ask(self) -> None:
        text, accepted = QInputDialog.getText(
            self._parent,
            "Connect to a module",
            "Address, for example usb:/dev/ttyUSB0, rs485:COM6?unit=3 or mqtts://user@host/TOKEN/EUI?ca=FILE",
        )
        if not accepted or not text.strip():
            return
        try:
            parse_url(text.strip())
        except LinkError as error:
            self.wrong.emit(str(error))
            return
        self.chosen.emit(text.strip())
