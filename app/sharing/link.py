"""Live sharing joined with the window's session: its facts go in, states come out on the window's thread."""

from __future__ import annotations

import contextlib
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.sharing.service import SharingService, SharingState
from app.window.module_session import ModuleSession
from device_io.source import ModuleInfo


class SharingLink(QObject):
    """Runs a SharingService beside the session until `close`. info: the module that is measured by now."""

    state_changed = Signal(object)
    """SharingState."""

    def __init__(
        self, session: ModuleSession, folder: Path, info: ModuleInfo | None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.info = info
        self.service = SharingService(folder, on_state=self._tell)
        self.service.set_module(info)
        session.measured.connect(self.service.add)
        session.identified.connect(self._on_identity)
        session.ended.connect(self._on_end)
        self.service.start()

    def close(self) -> None:
        """End within 2 s."""
        self.service.stop()

    def _on_identity(self, info: ModuleInfo, _store: object) -> None:
        # A module that comes back is the same: its interval goes on, with a gap.
        if self.info is None or _kind(info) != _kind(self.info):
            self.service.set_module(info)
        self.info = info

    def _on_end(self) -> None:
        self.info = None
        self.service.set_module(None)

    def _tell(self, state: SharingState) -> None:
        with contextlib.suppress(RuntimeError):  # the window is gone
            self.state_changed.emit(state)


def _kind(info: ModuleInfo) -> tuple[object, ...]:
    """What makes another module of it, or another kind of measurement."""
    return info.eui, info.type, info.system, "waveform-stream" in info.capabilities
