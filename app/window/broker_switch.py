"""The switch of the built-in broker in the window, and the passwords of its modules."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QInputDialog, QMessageBox, QWidget

from app.background import Background
from app.modules.home_broker import Access, HomeBroker
from app.preferences import Preferences
from app.window.module_menu import ModuleMenu


class BrokerSwitch(Background):
    """Starts and ends the broker as the menu says; tells what a module needs to come to it."""

    say = Signal(str)
    """One sentence for a person."""

    def __init__(self, broker: HomeBroker, menu: ModuleMenu, preferences: Preferences, window: QWidget) -> None:
        super().__init__(window)
        self._broker, self._menu, self._preferences, self._window = broker, menu, preferences, window
        menu.broker_switched.connect(self._switch)
        menu.access_wanted.connect(self._ask_for_module)

    def end(self) -> None:
        """Stop the broker."""
        self._broker.stop()

    def _switch(self, on: bool) -> None:
        work = self._broker.start if on else self._broker.stop
        self.run(work, lambda _: self._show(), self._failed, "broker switch")

    def _show(self) -> None:
        from app.modules.search_places import BROKERS

        url = self._broker.url
        self._menu.broker_runs = url is not None
        known = [known for known in self._preferences.get(BROKERS, list, []) if known != url]
        self._preferences.set(BROKERS, [*known, url] if url is not None else known)

    def _failed(self, error: Exception) -> None:
        self._menu.broker_runs = self._broker.is_running
        self.say.emit(str(error))

    def _ask_for_module(self) -> None:
        eui, accepted = QInputDialog.getText(self._window, "Password for a module", "EUI on the module's label")
        eui = "".join(eui.split()).replace("-", "").replace(":", "").upper()
        if not accepted:
            return
        if len(eui) != 16 or any(c not in "0123456789ABCDEF" for c in eui):
            self.say.emit("An EUI has 16 digits 0-9 and A-F. It stands on the module's label.")
            return
        self.run(lambda: self._broker.add_module(eui), self._tell, self._failed, "password for a module")

    def _tell(self, access: Access) -> None:
        text = (
            f"Broker  {access.host}\nPort  {access.port}\nCustomer token  {access.token}\nUser  {access.user}\n"
            f"Password  {access.password}\nCertificate  {access.ca_file}"
        )
        box = QMessageBox(QMessageBox.Icon.Information, "For this module", text, parent=self._window)
        box.setInformativeText("Enter these in the module's settings. The password is shown only now.")
        box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.open()
