"""The chip as a host sees it while no application runs: the ROM's loader, and the stub once it was uploaded."""

from __future__ import annotations

from device_io.virtual_module.esp32.chip import ESP32, ESP32_C3, Registers
from device_io.virtual_module.esp32.faults import NO_BOARD_FAULTS, BoardFaults
from device_io.virtual_module.esp32.flash import Flash
from device_io.virtual_module.esp32.machine import Cipher, Exit, Machine
from device_io.virtual_module.esp32.rom import RomLoader
from device_io.virtual_module.esp32.slip import SlipDecoder
from device_io.virtual_module.esp32.stub import GREETING, StubLoader


class Esp32Loader:
    """Bytes in, bytes out. mac: 6 bytes. key_digest (may be set, counts from the next `reset` on): what the eFuses hold
    for secure boot.

    After `receive` look at `unplugged` (a fault: the port vanishes), `take_baud` and `take_exit`.
    stub_running: whether the stub answers. bytes_received: since it was made; faults count in it.
    """

    def __init__(
        self, flash: Flash, mac: bytes, faults: BoardFaults = NO_BOARD_FAULTS, cipher: Cipher | None = None
    ) -> None:
        self.key_digest = bytes(32)
        self.chip = ESP32_C3 if faults.c3 else ESP32
        self.bytes_received = 0
        self.unplugged = False
        self._flash, self._mac, self._faults, self._cipher = flash, mac, faults, cipher
        self._pending = sorted(
            [(at, "unplug") for at in faults.unplug]
            + [(at, "stall") for at in faults.stall]
            + [(at, "drop") for at in faults.drop]
        )
        self.reset()

    def reset(self) -> None:
        """The chip starts its ROM loader anew; the flash memory stays."""
        registers = Registers(
            self.chip,
            self._mac,
            self._flash,
            secure_boot=self._faults.secure_boot,
            encryption=self._faults.flash_encryption,
            key_digest=self.key_digest,
        )
        self._machine = Machine(self.chip, self._flash, registers, self._faults, self._cipher)
        self._loader: RomLoader | StubLoader = RomLoader(self._machine)
        self._slip = SlipDecoder()
        self._stalled = False

    @property
    def stub_running(self) -> bool:
        """Whether the stub was uploaded and runs."""
        return isinstance(self._loader, StubLoader)

    def receive(self, data: bytes) -> bytes:
        """What the chip sends in answer to these bytes."""
        out: list[bytes] = []
        while data and not self.unplugged and not self._stalled:
            piece, data, fault = self._up_to_fault(data)
            for frame in self._slip.feed(piece):
                out.append(self._loader.take(frame))
                if self._machine.exit is Exit.STUB:
                    self._machine.exit = None
                    self._loader = StubLoader(self._machine)
                    out.append(GREETING)
            self._stalled = fault == "stall"
            self.unplugged = fault == "unplug"
        return b"".join(out)

    def take_baud(self) -> int | None:
        """The baud that was asked for, once: it holds as soon as the answers have left."""
        baud, self._machine.new_baud = self._machine.new_baud, None
        return baud

    def take_exit(self) -> Exit | None:
        """How the loader was left, once."""
        way, self._machine.exit = self._machine.exit, None
        return way

    def _up_to_fault(self, data: bytes) -> tuple[bytes, bytes, str]:
        """The bytes that arrive before the next fault, those after it, and the fault ("" if it is not reached)."""
        if not self._pending or self.bytes_received + len(data) <= self._pending[0][0]:
            self.bytes_received += len(data)
            return data, b"", ""
        at, kind = self._pending.pop(0)
        head = max(0, at - self.bytes_received)
        lost = 1 if kind == "drop" else 0
        self.bytes_received += head + lost
        return data[:head], data[head + lost :], kind
