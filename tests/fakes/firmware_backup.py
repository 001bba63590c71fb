"""A backup of a module with this layout of its flash, as a flasher would have made it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from device_io.flashing.backups import Backup, BackupStore, write_backup
from device_io.flashing.esptool_process import FlashIdentity
from firmware_images.maker import TABLE_OFFSET


def write_backup_of(store: BackupStore, eui: str, mac: str, table: bytes, *, made_ns: int) -> Backup:
    """Put it into the store; the rest of its flash is empty."""
    flash = bytearray(b"\xff" * 0x10000)
    flash[TABLE_OFFSET : TABLE_OFFSET + len(table)] = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flash.bin"
        path.write_bytes(flash)
        identity = FlashIdentity("ESP32", mac, 300, len(flash), False, False, False)
        told = {"identity": json.dumps({"eui": eui}), "settings": None, "readings": None}
        return write_backup(store.path_for(mac, "1.0.0", made_ns), path, identity, "virtual 1.0.0", told, made_ns)
