"""The loop behind the USB port of a virtual module that can be flashed, for one thread."""

from __future__ import annotations

import secrets

from device_io.sensix_link.framing import Deframer
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.esp32.boot import Boot
from device_io.virtual_module.faults import Faults
from device_io.virtual_module.firmware import LOG_INTERVAL_S, Firmware, boot_log
from device_io.virtual_module.firmware_answers import Measure
from device_io.virtual_module.line import Line
from device_io.virtual_module.loader_pipe import LoaderPipe
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.port_runner import TICK_S, PortRunner
from device_io.virtual_module.transmitter import Transmitter
from resources.settings import Value


class BoardRunner(PortRunner):
    """A module on a chip that can be flashed: while no application runs, the line is the loader's."""

    def __init__(self, module: VirtualModule, faults: Faults, line: Line, board: Esp32Board, *, paced: bool) -> None:
        super().__init__(module, faults, line)
        self._board = board
        self._pipe = LoaderPipe(board, line, paced=paced)
        self._link = Deframer()
        self._defaults = self._kept = self._to_keep()
        board.lines = line.has_control
        board.connect(self, self._pipe.send)
        board.power_on(module.now_s())

    # The application of the board

    def start(self, started: Boot, now: float) -> None:
        """See `Application`."""
        identity = self._module._info._replace(firmware=started.version, boot_id=secrets.randbits(32))
        self._module._info = identity
        log = [*started.log, self._restore_settings(), self._calibration()]
        self._out.clear()
        self._firmware = _BootedFirmware(self._module, self._out, self._measure, log)
        self._slot = self._module.slot_at(now)
        if self._attached:
            self._firmware.attached(now)

    def stop(self) -> None:
        """See `Application`."""
        self._firmware.detached()

    def receive(self, data: bytes, now: float) -> None:
        """See `Application`."""
        self._firmware.receive(data, now, framing_errors=self._line.framing_errors)

    # The loop

    def _serve(self, now: float) -> None:
        self._board.tick(now)
        if self._board.state == "app":
            super()._serve(now)
            self._keep_settings()
        else:
            self._skip(now)
            self._look(now)
        self._pipe.run(now)

    def _look(self, now: float) -> None:
        running = self._board.state == "app"
        self._line.baud = self._out.baud if running else self._board.baud
        self._line.autobaud = not running and self._board.autobaud
        data = self._line.read()
        for dtr, rts in self._line.take_control():
            self._board.set_lines(dtr, rts, now)
        if self._line.attached != self._attached:
            self._attached = self._line.attached
            self._change_of_program(now)
        if data and self._board.state == "app":
            self._board.baud = self._out.baud  # a SYNC among them is understood at this one
            self._board.receive(data, now)
        elif data and self._new_program(data):
            self._pipe.clear()
            self._board.detached(now)
            self._board.receive(data, now)
        elif data:
            self._pipe.take(data)

    def _change_of_program(self, now: float) -> None:
        if not self._attached:
            self._pipe.clear()
            self._board.detached(now)
        if self._board.state == "app":
            if self._attached:
                self._firmware.attached(now)
            else:
                self._firmware.detached()

    def _new_program(self, data: bytes) -> bool:
        """Whether a program followed the flasher so fast that nobody saw the port closed: it speaks Sensix Link, or at
        another baud. Only where there are no reset lines to tell."""
        if self._board.lines or self._board.state != "loader":
            return False
        spoken = self._link.feed(data)
        self._link.take_text()
        return bool(spoken) or self._line.framing_errors

    def _fault_unplugs(self, now: float) -> bool:
        return self._board.unplugged(now) or super()._fault_unplugs(now)

    def _pause(self, now: float) -> float:
        if not self._pipe.idle:
            return 0.001
        return super()._pause(now) if self._board.state == "app" else TICK_S

    def _restore_settings(self) -> str:
        """The settings as the flash memory keeps them, else the defaults."""
        stored = self._board.load("nvs")
        self._module.settings.restore(self._defaults | (stored or {}))
        self._kept = self._to_keep()
        return "W (338) nvs: no settings, using defaults" if stored is None else "I (338) nvs: settings found"

    def _keep_settings(self) -> None:
        """Write changed settings into the flash memory."""
        values = self._to_keep()
        if values != self._kept:
            self._kept = values
            self._board.save("nvs", values)

    def _to_keep(self) -> dict[str, Value]:
        return {key: value for key, value in self._module.settings.stored().items() if key != "system"}

    def _calibration(self) -> str:
        found = self._board.load("cal")
        return "W (340) cal: no calibration" if found is None else f"I (340) cal: calibration of {found.get('module')}"


class _BootedFirmware(Firmware):
    """Prints what the chip really booted."""

    def __init__(self, module: VirtualModule, out: Transmitter, measure: Measure, log: list[str]) -> None:
        super().__init__(module, out, measure)
        own = [line for line in boot_log(module).splitlines() if "module:" in line or "link:" in line]
        self._log: bytes | None = ("\r\n".join([*log, *own]) + "\r\n").encode()

    def attached(self, now: float) -> None:
        """See `Firmware`."""
        self._booted = True
        super().attached(now)
        if self._log is not None:
            self._out.send_reply(self._log)
            self._log = None
            self._log_at = now + LOG_INTERVAL_S
