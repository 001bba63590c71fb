"""A module's ESP32: flash memory, the loader in its ROM, and the application that it boots from the flash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from device_io.virtual_module.esp32 import store
from device_io.virtual_module.esp32.boot import POWER_ON, SOFTWARE, Boot, FlashCipher, boot, reset_line
from device_io.virtual_module.esp32.chip import mac_of
from device_io.virtual_module.esp32.faults import NO_BOARD_FAULTS, BoardFaults
from device_io.virtual_module.esp32.flash import DEFAULT_SIZE, Flash
from device_io.virtual_module.esp32.image_maker import fill
from device_io.virtual_module.esp32.image_reader import TABLE_OFFSET, ImageError, read_image
from device_io.virtual_module.esp32.loader import Esp32Loader
from device_io.virtual_module.esp32.machine import Exit
from device_io.virtual_module.esp32.secure_boot import SECTOR, key_digest, new_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

ROM_BAUD = 115_200
RESTART_S = 1.0
"""Time between two tries of a chip that finds nothing to boot."""
QUIET_S = 0.5
"""A reset that the loader was asked for on a line without DTR and RTS ends in the application after this silence."""
EN_DELAY_S = 0.25
"""EN rises slowly: the chip samples IO0 this long after RTS and DTR let go of it. On a real board it is some ms, but
over RFC 2217 each change of a line takes 100 ms, on a busy computer more; esptool asks after 350 ms."""
_SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
_SYNC_FRAME = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00" + _SYNC


class Application(Protocol):
    """What runs on the chip once it has booted."""

    def start(self, started: Boot, now: float) -> None:
        """The chip has booted it."""

    def stop(self) -> None:
        """The chip was reset."""

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host."""


class Esp32Board:
    """The chip of the module with this EUI. Times are seconds on any clock that does not go back.

    size, path: of the flash memory (`Flash`); a blank one gets the default contents. signer: with secure boot, signs
    them; without one a new key does. The eFuses hold the digest of whose bootloader was there first.
    lines (may be set until power-on): whether the host has DTR and RTS. Without them the loader is entered when SYNC
    arrives, as if the host had reset the chip with IO0 low, and left when the program closes the port.
    Give it its application and a `write` for what the chip sends by `connect`, then `power_on`.

    state: "off", "held" (EN is low), "loader", "app" or "boot-loop". last_boot: of the last start. baud: of what it
    sends and takes outside of the application; autobaud: whether it still takes that of whoever talks to it.
    Raises ValueError or OSError for a file that is no flash memory.
    """

    def __init__(
        self,
        eui: str,
        *,
        size: int = DEFAULT_SIZE,
        path: Path | None = None,
        faults: BoardFaults = NO_BOARD_FAULTS,
        lines: bool = False,
        signer: RSAPrivateKey | None = None,
    ) -> None:
        self._faults = faults
        self._cipher = FlashCipher(hashlib.sha256(eui.encode()).digest()) if faults.flash_encryption else None
        self.flash = Flash(size, path)
        self.loader = Esp32Loader(self.flash, mac_of(eui), faults, self._cipher)
        if self.flash.blank:
            key = (signer or new_key()) if faults.secure_boot == 2 else None
            fill(self.flash, self.loader.chip, eui, key=key, cipher=self._cipher)
        self._trusted = self._signer_of_bootloader() if faults.secure_boot == 2 else None
        self.loader.key_digest = self._trusted or bytes(32)
        self.flash.wear(faults.worn, faults.write_error)
        self.lines = lines
        self.state: Literal["off", "held", "loader", "app", "boot-loop"] = "off"
        self.last_boot: Boot | None = None
        self.baud = ROM_BAUD
        self.autobaud = False
        self._application: Application | None = None
        self._write: Callable[[bytes], None] = _drop
        self._tail = b""
        self._due: float | None = None  # of the next restart, end of EN's rise, or end of the silence
        self._io0_seen_low = self._io0_low = False
        self._unplugged_until = 0.0

    def connect(self, application: Application, write: Callable[[bytes], None]) -> None:
        """Who runs on it, and who takes what the ROM, the stub and the bootloader send."""
        self._application, self._write = application, write

    def power_on(self, now: float) -> None:
        """Boot."""
        self._boot(now, POWER_ON)

    def close(self) -> None:
        """Close the file of the flash memory."""
        self.flash.close()

    def receive(self, data: bytes, now: float) -> None:
        """Bytes from the host."""
        if self.state == "loader":
            self._load(data, now)
        elif self.state in ("app", "boot-loop"):
            before, rest = self._split_at_sync(data)
            if before and self.state == "app" and self._application:
                self._application.receive(before, now)
            if rest is not None:
                self._enter_loader()
                self._load(rest, now)

    def tick(self, now: float) -> None:
        """What is due."""
        if self._due is None or now < self._due:
            return
        self._due = None
        if self.state == "held":
            if self._io0_seen_low or self._io0_low:
                self.baud = ROM_BAUD
                self._write(_text(reset_line(POWER_ON, download=True)))
                self._enter_loader()
            else:
                self._boot(now, POWER_ON)
        elif self.state == "boot-loop" and self.last_boot is not None:
            self._boot(now, self.last_boot.restart)
        elif self.state == "loader":
            self._boot(now, SOFTWARE)

    def set_lines(self, dtr: bool, rts: bool, now: float) -> None:
        """The host's DTR and RTS (True: asserted), cross-coupled as on every board: RTS alone pulls EN low and resets
        the chip, DTR alone pulls IO0 low and so chooses the loader."""
        en_low, self._io0_low = rts and not dtr, dtr and not rts
        if en_low:
            if self.state != "held":
                self._stop_application()
            self.state, self._due, self._io0_seen_low = "held", None, False
        elif self.state == "held":
            self._io0_seen_low |= self._io0_low
            if self._due is None:
                self._due = now + EN_DELAY_S

    def detached(self, now: float) -> None:
        """The program closed the port. Without reset lines that ends the loader."""
        self._tail = b""
        if self.state == "loader" and not self.lines:
            self._boot(now, POWER_ON)

    def unplugged(self, now: float) -> bool:
        """Whether a fault keeps the port away."""
        if self.loader.unplugged:
            self.loader.unplugged = False
            self._unplugged_until = now + self._faults.unplug_s
        return now < self._unplugged_until

    def take_baud(self) -> int | None:
        """A new baud, once; it holds (set `baud`) as soon as what was written has left."""
        return self.loader.take_baud() if self.state == "loader" else None

    def load(self, label: str) -> dict[str, str | int | float | bool | None] | None:
        """What a data partition holds ("nvs": settings, "cal": calibration); None if it or its contents are missing."""
        for partition in self.last_boot.partitions if self.last_boot else ():
            if partition.label == label:
                return store.load(self.flash, partition)
        return None

    def save(self, label: str, values: store.Values) -> bool:
        """Keep values in a data partition; False if that failed."""
        for partition in self.last_boot.partitions if self.last_boot else ():
            if partition.label == label:
                return store.save(self.flash, partition, values)
        return False

    def _signer_of_bootloader(self) -> bytes:
        """As on the first start with secure boot, when the bootloader burns the digest of its own key."""
        offset = self.loader.chip.bootloader_offset
        data = self.flash.read(offset, TABLE_OFFSET - offset)
        data = self._cipher.apply(offset, data) if self._cipher else data
        try:
            image = read_image(lambda at, size: data[at : at + size], 0, len(data), self.loader.chip, app=False)
        except ImageError:
            return bytes(32)
        return key_digest(data[-(-image.size // SECTOR) * SECTOR :][:SECTOR])

    def _load(self, data: bytes, now: float) -> None:
        self._due = None
        out = self.loader.receive(data)
        if out:
            self._write(out)
            self.autobaud = False
        way = self.loader.take_exit()
        if way is Exit.RUN:
            self._boot(now, SOFTWARE)
        elif way is Exit.RESET:  # IO0 was low at the last real reset, and that is what counts
            self._enter_loader()
            self._due = None if self.lines else now + QUIET_S

    def _enter_loader(self) -> None:
        self._stop_application()
        self.loader.reset()
        self.state, self._due, self.autobaud = "loader", None, True
        self._tail = b""

    def _boot(self, now: float, reason: str) -> None:
        self._stop_application()
        self.baud, self.autobaud = ROM_BAUD, False
        self.last_boot = boot(self.flash, self.loader.chip, trusted=self._trusted, cipher=self._cipher, reason=reason)
        if self.last_boot.kind == "app":
            self.state, self._due = "app", None
            if self._application:
                self._application.start(self.last_boot, now)
        else:
            self.state, self._due = "boot-loop", now + RESTART_S
            self._write(_text(self.last_boot.log))

    def _stop_application(self) -> None:
        if self.state == "app" and self._application:
            self._application.stop()

    def _split_at_sync(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Bytes up to a SYNC, and those from it on if there is one that no reset line can stand for."""
        if self.lines:
            return data, None
        seen = self._tail + data
        at = seen.find(_SYNC)
        if at < 0:
            self._tail = seen[-len(_SYNC) + 1 :]
            return data, None
        return b"", _SYNC_FRAME + seen[at + len(_SYNC) :]


def _text(lines: tuple[str, ...]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode()


def _drop(_: bytes) -> None:
    pass
