"""A virtual module's USB port in real time: one thread that samples, answers and sends."""

from __future__ import annotations

import threading

from device_io.virtual_module.board_runner import BoardRunner
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.faults import NO_FAULTS, Faults
from device_io.virtual_module.line import Line, open_line
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.port_runner import PortRunner

STOP_S = 2.0


class UsbPort:
    """Serves one module on a pty, a TCP or an RFC 2217 port. `start` returns its URL, which outlives unplugging.

    The module goes on whatever the program at the other end does. Faults count from its power-up.
    board: the chip that the module runs on: it can be flashed then, and runs what its flash memory holds; it boots in
    `start`, so that the module has its version and its settings from then on. The caller closes it after `stop`.
    paced: flashing takes the time that its bytes take at their baud.
    """

    def __init__(
        self,
        module: VirtualModule,
        faults: Faults = NO_FAULTS,
        transport: str = "auto",
        board: Esp32Board | None = None,
        *,
        paced: bool = False,
    ) -> None:
        self._module = module
        self._faults = faults
        self._transport = transport
        self._board = board
        self._paced = paced
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def start(self) -> str:
        """Plug the module in: `usb:/path`, `usb:socket://127.0.0.1:PORT` or `usb:rfc2217://127.0.0.1:PORT?ign_set_control`.
        OSError if the system has no such port."""
        line = self._line = open_line(self._transport)
        try:
            line.plug()
            if self._board is None:
                runner = PortRunner(self._module, self._faults, line)
            else:
                runner = BoardRunner(self._module, self._faults, line, self._board, paced=self._paced)
        except BaseException:
            line.close()
            raise
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, args=(line, runner), name="virtual-usb", daemon=True)
        self._thread.start()
        return line.url

    def stop(self) -> None:
        """Unplug for good, within 2 s. May be called twice."""
        self._stopping.set()
        if self._line is not None:
            self._line.wake()
        if self._thread is not None:
            self._thread.join(STOP_S)
        self._thread = None
        self._line = None

    def _run(self, line: Line, runner: PortRunner) -> None:
        try:
            runner.run(self._stopping)
        finally:
            line.close()
