"""The window's one module: connecting, the virtual module of a demonstration, and letting go of both."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.connection import HISTORY_S, Connection, open_connection, open_group
from app.window.bridge import Bridge
from device_io.links import Prompt
from device_io.source import LinkState, ModuleInfo, Source
from device_io.waveform_store import WaveformStore
from dsp.measurement import Measurement

if TYPE_CHECKING:
    from app.demo import DemoModule


class ModuleSession(QObject):
    """At most one connection at a time; its facts arrive as signals on the window's thread."""

    identified = Signal(object, object)
    """ModuleInfo and WaveformStore, None where the link gives readings only."""
    measured = Signal(object)
    """Measurement."""
    state_changed = Signal(object)
    """LinkState."""
    ended = Signal()
    """Nothing is connected any more."""
    failed = Signal(str)
    """One sentence: the module could not be had at all."""
    text_printed = Signal(str)
    """A line that the module printed."""

    _demo_ready = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._connection: Connection | None = None
        self._bridge: Bridge | None = None
        self._demo: DemoModule | None = None
        self._paused = False
        self._demo_ready.connect(self._connect_demo)
        self.prompt: Prompt | None = None
        """Asks a person for a broker's password."""

    @property
    def is_connected(self) -> bool:
        """True while a connection is open or being tried."""
        return self._connection is not None

    @property
    def link(self) -> Source | None:
        """What delivers now: a `ModuleLink`, or a group of them."""
        return None if self._connection is None else self._connection.source

    def connect_group(self, urls: Sequence[str]) -> None:
        """Leave the present module and use three single-phase ones as one system. LinkError where that can't be."""
        self.adopt(open_group(urls, store_seconds=HISTORY_S, prompt=self.prompt))

    def connect_to(self, url: str) -> None:
        """Leave the present module and use this one. LinkError for a URL that can't be used."""
        self.adopt(open_connection(url, store_seconds=HISTORY_S, prompt=self.prompt))

    def adopt(self, connection: Connection) -> None:
        """Leave the present module and use this connection, which has begun."""
        self.disconnect_module()
        self._paused = False
        bridge = Bridge(self)
        bridge.identified.connect(self._on_identity)
        bridge.measured.connect(self._on_measurement)
        bridge.state_changed.connect(self._on_state)
        bridge.text_printed.connect(self._on_text)
        self._bridge = bridge
        self._connection = connection
        connection.listen(bridge)

    def start_demo(self, preset: str) -> None:
        """Start a virtual module in a process of its own and use it."""
        from app.demo import DemoModule

        self.follow(DemoModule(preset))

    def follow(self, demo: DemoModule) -> None:
        """Leave the present module and use this virtual one as soon as it is up."""
        self.disconnect_module()
        self._demo = demo
        threading.Thread(
            target=lambda: self._demo_ready.emit(demo, demo.url()), name="wait for the virtual module", daemon=True
        ).start()

    def disconnect_module(self) -> None:
        """Let go of the module; ends a virtual one."""
        self._close_connection()
        if self._demo is not None:
            self._demo.stop()
            self._demo = None

    @property
    def is_paused(self) -> bool:
        """True while other work has the port."""
        return self._paused

    def pause(self) -> None:
        """Let go of the port for a while; a virtual module goes on."""
        self._paused = True
        self._close_connection()

    def resume(self, urls: Sequence[str]) -> None:
        """Use again what `pause` let go: a module, or the three of a group. LinkError for a URL that can't be used."""
        demo, self._demo = self._demo, None  # kept from disconnect_module, which ends what was there before
        try:
            if len(urls) == 1:
                self.connect_to(urls[0])
            else:
                self.connect_group(urls)
        finally:
            self._demo = demo

    def _close_connection(self) -> None:
        if self._connection is None:
            return
        self._connection.stop()
        self._connection = None
        if self._bridge is not None:
            self._bridge.deleteLater()
            self._bridge = None
        self.ended.emit()

    def _connect_demo(self, demo: DemoModule, url: str | None) -> None:
        if demo is not self._demo:
            return  # another choice was made meanwhile
        if url is None:
            self.disconnect_module()
            self.failed.emit("The virtual module did not start. Run `main.py simulate --usb` to see why.")
            return
        self._demo = None  # kept from disconnect_module, which ends what was there before
        self.connect_to(url)
        self._demo = demo

    # A signal that was queued before its connection was closed is no news.

    def _on_identity(self, info: ModuleInfo) -> None:
        if self.sender() is self._bridge:
            self.identified.emit(info, self._store())

    def _on_measurement(self, measurement: Measurement) -> None:
        if self.sender() is self._bridge:
            self.measured.emit(measurement)

    def _on_state(self, state: LinkState) -> None:
        if self.sender() is self._bridge:
            self.state_changed.emit(state)

    def _on_text(self, line: str) -> None:
        if self.sender() is self._bridge:
            self.text_printed.emit(line)

    def _store(self) -> WaveformStore | None:
        return None if self._connection is None else self._connection.store
