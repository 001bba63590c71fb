"""A virtual module that can be flashed, on a real port, and what the application keeps of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from device_io.discovery.identify import identify
from device_io.flashing.backups import BackupStore
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions, FlashProgress, Stage
from device_io.urls import parse_serial_url
from device_io.usb_link import UsbLink
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.esp32.faults import parse_board_faults
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from firmware_images.maker import app_image, bootloader_image, partition_table
from firmware_images.opening import open_package
from firmware_images.package import FirmwarePackage
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker

FLASH_SIZE = 0x100000
"""Of the module, unless a bench is asked for another: small, since the whole of it is read and compared."""
NAME = "Cellar 7"


class FlashBench:
    """A context: a module on a pty with its flash in `folder`/flash.bin. board_faults, options: see their classes."""

    def __init__(self, folder: Path, board_faults: str = "", *, size: int = FLASH_SIZE, **options: Any) -> None:
        self.folder = folder
        self.size = size
        self.module = VirtualModule("clean")
        faults = parse_board_faults(board_faults)
        signer = options.pop("signer", None)
        self.board = Esp32Board(
            self.module.info.eui or "", size=size, path=folder / "flash.bin", faults=faults, signer=signer
        )
        self.chip = self.board.loader.chip.name
        self.port = UsbPort(self.module, transport=options.pop("transport", "auto"), board=self.board, **options)
        self.url = ""
        self.store, self.journal = BackupStore(folder / "backups"), Journal(folder / "journal")
        self.stages: list[Stage] = []
        self.progress: list[FlashProgress] = []
        self.notes: list[str] = []

    def __enter__(self) -> FlashBench:
        self.url = self.port.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.port.stop()
        self.board.close()

    def flasher(self, *, cancelled: Any = None, on_progress: Any = None, **options: Any) -> Flasher:
        def progress(told: FlashProgress) -> None:
            self.progress.append(told)
            if told.stage not in self.stages:
                self.stages.append(told.stage)
            if on_progress is not None:
                on_progress(told)

        # Patient where something answers: who shares the processor with all else may take a while.
        patient = {"baud": 115_200, "confirm_s": 30.0} | ({"ask_s": 20.0} if self.board.state == "app" else {})
        chosen = FlashOptions(**{**patient, **options})
        return Flasher(
            parse_serial_url(self.url),
            self.store,
            self.journal,
            chosen,
            progress=progress,
            note=self.notes.append,
            cancelled=cancelled,
        )

    def identity(self) -> Any:
        return identify(UsbLink(parse_serial_url(self.url), reconnect=False, hello_timeout_s=30.0), 35.0)

    def firmware(self) -> str:
        return str(self.identity().firmware)

    def name_it(self, name: str = NAME) -> None:
        """Give it a setting worth keeping, and wait until the flash holds it."""
        before = self.board.flash.bytes_written
        self.module.settings.write({"name": name})
        self.wait(lambda: self.board.flash.bytes_written > before)

    @property
    def written(self) -> tuple[int, int, str]:
        """Changes with whatever is written to the flash."""
        flash = self.board.flash
        return flash.bytes_written, flash.sectors_erased, hashlib.sha256(flash.read(0, flash.size)).hexdigest()

    def wait(self, condition: Any, deadline_s: float = 30.0) -> None:
        end = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < end, f"still {self.board.state} after {deadline_s} s: {self.board.last_boot}"
            time.sleep(0.005)


def bundle(
    folder: Path,
    version: str = "2.0.0",
    *,
    chip: str = "ESP32",
    size: int = 40_000,
    flash_size: int = FLASH_SIZE,
    key: Any = None,
    secure_version: int = 0,
    content_changes: Mapping[int, bytes] | None = None,
    moved: Mapping[int, int] | None = None,
    renamed: Mapping[str, str] | None = None,
    **changes: Any,
) -> Path:
    """A signed bundle for the bench's module, and the list of the keys to trust beside it (keys.json).

    content_changes: other parts at these offsets. moved: {offset: another one}. renamed: {file name: another one}.
    changes: of the manifest. The signature is over what was made of it: only its maker could have."""
    key = key or firmware_maker.new_key()
    app = app_image(
        version=version, chip=chip, size=size, flash_size=flash_size, secure_version=secure_version, compressible=False
    )
    content = firmware_maker.parts(chip=chip, app=app)
    content[firmware_maker.bootloader_offset(chip)] = bootloader_image(chip, flash_size=flash_size)
    content[firmware_maker.TABLE_OFFSET] = partition_table(size=flash_size)
    content |= content_changes or {}
    keys = {"keys": [{"name": "Test", "public_key": firmware_maker.key_id(key)}]}
    (folder / "keys.json").write_text(json.dumps(keys))
    changes.setdefault("secure_version", secure_version)
    names = firmware_maker.names(chip)
    places = {names.get(offset, f"part-{offset:x}.bin"): (offset, data) for offset, data in sorted(content.items())}
    files = {name: ((moved or {}).get(offset, offset), data) for name, (offset, data) in places.items()}
    files = {(renamed or {}).get(name, name): what for name, what in files.items()}
    text = json.dumps(firmware_maker.manifest(chip, version, files, key, **changes)).encode()
    members = [("manifest.json", text), ("manifest.sig", key.sign(text))]
    members += [(name, data) for name, (_, data) in files.items()]
    path = folder / f"{version}.zip"
    path.write_bytes(firmware_maker.zip_of(members))
    return path


def package(folder: Path, version: str = "2.0.0", **changes: Any) -> FirmwarePackage:
    """The same, opened, its key trusted."""
    path = bundle(folder, version, **changes)
    keys = json.loads((folder / "keys.json").read_text())["keys"]
    return open_package(path, trusted_keys=[TrustedKey(bytes.fromhex(key["public_key"])) for key in keys])
