"""Bringing a module into the network: WiFi, password, broker."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSizePolicy, QWidget

from widgets.controls.button import ButtonKind, PushButton
from widgets.controls.card import Card
from widgets.controls.checkbox import CheckBox
from widgets.controls.entry import Entry
from widgets.controls.label import Label
from widgets.controls.painting import RADIUS_CONTROL, RADIUS_GROUP, Themed, draw_focus, draw_frame, draw_icon, draw_text
from widgets.controls.paragraph import Paragraph
from widgets.controls.status_icon import Status, StatusIcon
from widgets.firmware.model import Network, Provisioning
from widgets.theme import Theme

_ROW = 34
_MOST = 8
"""Networks in the list; others are typed."""

_LEAST_PASSWORD = 8
"""WPA2 takes no shorter one."""


class NetworkList(Themed, QWidget):
    """Networks in reach; arrow keys and clicks choose. chosen(name)."""

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._networks: tuple[Network, ...] = ()
        self._index: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("WiFi networks")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)

    @property
    def network(self) -> Network | None:
        """The chosen one."""
        return None if self._index is None else self._networks[self._index]

    def set_networks(self, networks: Sequence[Network]) -> None:
        """Other networks, of which the strongest are shown; the choice stays where its name is still there."""
        kept = self.network.name if self.network else ""
        self._networks = tuple(sorted(networks, key=lambda network: -network.strength)[:_MOST])
        names = [network.name for network in self._networks]
        self._index = names.index(kept) if kept in names else None
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, _ROW * max(4, len(self._networks)) + 2)

    def minimumSizeHint(self) -> QSize:
        return QSize(200, _ROW * 3 + 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._choose(int(event.position().y() - 1) // _ROW)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        if step is None:
            super().keyPressEvent(event)
        else:
            self._choose(0 if self._index is None else self._index + step)

    def _choose(self, index: int) -> None:
        if 0 <= index < len(self._networks) and index != self._index:
            self._index = index
            self.setAccessibleDescription(self._networks[index].name)
            self.update()
            self.chosen.emit(self._networks[index].name)

    def focusInEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().focusInEvent(event)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface"), theme.colour("border"), RADIUS_GROUP)
        if not self._networks:
            text = "No network is known yet. Search, or type its name below."
            draw_text(painter, self.rect().adjusted(14, 0, -14, 0), text, "body", theme.colour("text3"))
        painter.setClipRect(self.rect().adjusted(1, 1, -1, -1))
        for index, network in enumerate(self._networks):
            row = QRect(1, 1 + index * _ROW, self.width() - 2, _ROW)
            on = index == self._index
            if on:
                draw_frame(painter, row.adjusted(3, 3, -3, -3), theme.colour("accentbg"), None, RADIUS_CONTROL)
            role = "label" if on else "body"
            draw_text(painter, row.adjusted(14, 0, -70, 0), network.name, role, theme.colour("text"))
            if network.secured:
                draw_icon(painter, "lock", theme.colour("text3"), row.right() - 58, row.top() + 9, 16)
            for bar in range(4):
                token = "text2" if bar < network.strength else "border2"
                height = 4 + 3 * bar
                left = row.right() - 30 + bar * 5
                painter.fillRect(QRect(left, row.top() + 24 - height, 3, height), theme.colour(token))
        painter.setClipping(False)
        if self.hasFocus():
            draw_focus(painter, self.rect(), theme, RADIUS_GROUP)


class ProvisioningCard(Card):
    """search_wanted(): look for networks. provision_wanted(Provisioning): write it into the module."""

    search_wanted = Signal()
    provision_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Bring the module into your WiFi", parent)
        self.search = PushButton("Search", height=28)
        self.header_layout.addStretch(1)
        self.header_layout.addWidget(self.search)
        self.networks = NetworkList()
        self.name = Entry("Network", "Name of the network")
        self.password = Entry("Password", "Password of the network")
        self.password.setEchoMode(QLineEdit.EchoMode.Password)
        self.show_password = CheckBox("Show the password")
        self.broker = Entry("Broker", "mqtts://broker.example:8883")
        self.broker_password = Entry("Password of the broker's user", "Password of the broker's user")
        self.broker_password.setEchoMode(QLineEdit.EchoMode.Password)
        self.hint = Paragraph("Passwords go over USB to the module and are kept nowhere else.", "hint", "text3")
        self.icon = StatusIcon(Status.INFO, 20)
        self.told = Paragraph("", "body", "text")
        self.provision = PushButton("Write to the module", ButtonKind.PRIMARY)
        self._labels = [Label(text, "hint", "text2") for text in ("Network", "Password", "Broker")]
        self.body_layout.setSpacing(6)
        self.body_layout.addWidget(self.networks, 1)
        for label, entry in zip(self._labels, (self.name, self.password, self.broker), strict=True):
            self.body_layout.addSpacing(4)
            self.body_layout.addWidget(label)
            self.body_layout.addWidget(entry)
            if entry is self.password:
                self.body_layout.addWidget(self.show_password)
        self.body_layout.addWidget(self.broker_password)
        self.body_layout.addWidget(self.hint)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.icon)
        foot.addWidget(self.told, 1)
        foot.addWidget(self.provision)
        self.body_layout.addSpacing(8)
        self.body_layout.addLayout(foot)
        self._available, self._why = True, ""
        self.networks.chosen.connect(self._on_network)
        self.search.clicked.connect(self.search_wanted)
        self.show_password.toggled.connect(self._show_passwords)
        for entry in (self.name, self.password, self.broker):
            entry.textChanged.connect(lambda _text: self._fit())
        self.provision.clicked.connect(self._hand_on)
        self.set_told(None, "")
        self._fit()

    def set_networks(self, networks: Sequence[Network]) -> None:
        """Networks that the module sees."""
        self.networks.set_networks(networks)

    def set_broker(self, address: str) -> None:
        """Fill in the address of the broker."""
        self.broker.setText(address)

    def set_told(self, status: Status | str | None, text: str) -> None:
        """How it went, in a sentence; None for nothing."""
        self.icon.setVisible(status is not None)
        if status is not None:
            self.icon.set_status(status)
        self.told.set_text(text)

    def set_available(self, available: bool, why: str = "") -> None:
        """Whether a module can take it now."""
        self._available, self._why = available, why
        self._fit()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        parts = (self.search, self.networks, self.name, self.password, self.show_password, self.broker)
        for part in (*parts, self.broker_password, self.hint, self.icon, self.told, self.provision, *self._labels):
            part.set_theme(theme)

    def _on_network(self, name: str) -> None:
        self.name.setText(name)
        self.password.setFocus()

    def _hand_on(self) -> None:
        broker = self.broker.text().strip()
        asked = Provisioning(self.name.text().strip(), self.password.text(), broker, self.broker_password.text())
        self.password.clear()
        self.broker_password.clear()
        self.provision_wanted.emit(asked)

    def _show_passwords(self, on: bool) -> None:
        for entry in (self.password, self.broker_password):
            entry.setEchoMode(QLineEdit.EchoMode.Normal if on else QLineEdit.EchoMode.Password)

    def _fit(self) -> None:
        self.broker_password.setVisible("@" in self.broker.text())
        network = self.networks.network
        named = self.name.text().strip()
        open_network = network is not None and network.name == named and not network.secured
        why = ""
        if not self._available:
            why = self._why
        elif not named:
            why = "Choose a network or type its name."
        elif not open_network and len(self.password.text()) < _LEAST_PASSWORD:
            why = f"The password of a WiFi has at least {_LEAST_PASSWORD} characters."
        self.provision.set_available(not why, why)
