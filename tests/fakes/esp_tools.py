"""Espressif's own tools as child processes, and a minimal ELF file for them: images that our maker has no part in."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

_XTENSA, _RISCV = 94, 243
_MACHINES = {"ESP32": _XTENSA, "ESP32-S3": _XTENSA, "ESP32-C3": _RISCV}
_ADDRESSES = {
    "ESP32": (0x3F400020, 0x3FFB0000, 0x40080000, 0x400D0020),
    "ESP32-S3": (0x3C000020, 0x3FC88000, 0x40374000, 0x42000020),
    "ESP32-C3": (0x3C000020, 0x3FC80000, 0x40380000, 0x42000020),
}


def run(tool: str, *arguments: str) -> str:
    """Run `python -m TOOL`; its stdout. subprocess.CalledProcessError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def chip_option(chip: str) -> str:
    return chip.lower().replace("-", "")


def elf(chip: str, descriptor: bytes) -> bytes:
    """An ELF file with four sections at addresses of this chip; the first holds the application descriptor."""
    descriptor = descriptor[:144] + bytes(32) + descriptor[176:]  # the tool puts the hash of the ELF file there
    contents = [descriptor, bytes(range(64)), bytes(range(200, 248)), bytes(range(256)) * 8]
    names = [".flash.appdesc", ".dram0.data", ".iram0.text", ".flash.text"]
    flags = [2, 3, 6, 6]
    strings = b"\0" + b"\0".join(name.encode() for name in [*names, ".shstrtab"]) + b"\0"
    place, body, rows = 52, b"", [bytes(40)]
    for name, kind, address, content in zip(names, flags, _ADDRESSES[chip], contents, strict=True):
        at = strings.index(b"\0" + name.encode() + b"\0") + 1
        rows.append(struct.pack("<10I", at, 1, kind, address, place + len(body), len(content), 0, 0, 4, 0))
        body += content
    at = strings.index(b"\0.shstrtab\0") + 1
    rows.append(struct.pack("<10I", at, 3, 0, 0, place + len(body), len(strings), 0, 0, 1, 0))
    body += strings
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\x01\x01\x01".ljust(16, b"\0"),
        2,
        _MACHINES[chip],
        1,
        _ADDRESSES[chip][2],
        0,
        place + len(body),
        0,
        52,
        32,
        0,
        40,
        len(rows),
        len(rows) - 1,
    )
    return header + body + b"".join(rows)


def image_from_elf(folder: Path, chip: str, descriptor: bytes, *options: str) -> bytes:
    """What `esptool elf2image` makes of such an ELF file."""
    source, out = folder / f"{chip}.elf", folder / f"{chip}.bin"
    source.write_bytes(elf(chip, descriptor))
    run("esptool", "--chip", chip_option(chip), "elf2image", *options, "-o", str(out), str(source))
    return out.read_bytes()
