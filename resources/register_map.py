"""The Modbus register map of a module: where everything lies, and its description for people.

Readings lie in input registers where `parameters.csv` puts them, settings in holding registers where `settings.csv`
puts them. Beside these stand protected blocks: input registers that repeat the same in a copy made at one moment, each
block beginning with its own address and the mark that the master gave to the copy. So the reply to an older request, to
another one or from another moment is never taken for the one that was asked for.

`python -m resources.register_map --write` writes docs/register-map.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from resources.parameters import FieldType, table
from resources.settings import modbus_settings
from resources.systems import SYSTEMS

MAGIC = 0x53584D42
"""The first field of the identity: "SXMB"."""
MAP_VERSION = 1
"""Grows when something moves; what is only added leaves it."""

NOT_AVAILABLE: dict[FieldType, int] = {
    "int8": 0x80,
    "int16": 0x8000,
    "uint16": 0xFFFF,
    "int32": 0x8000_0000,
    "int64": 0x8000_0000_0000_0000,
    "uint64": 0xFFFF_FFFF_FFFF_FFFF,
}
"""What stands for "not measurable", by type, as the bits on the wire."""

MAX_READ, MAX_WRITE = 125, 123
"""Registers that one request can read or write (Modbus Application Protocol V1.1b3, 6.3, 6.4 and 6.12)."""

LATCH, SNAPSHOT, STAGE = 1000, 1001, 1002
"""Holding registers that are commands."""
STAGE_BEGIN, STAGE_APPLY = 1, 2
SNAPSHOT_NONE, SNAPSHOT_BUSY, SNAPSHOT_READY = 0, 1, 2

BLOCKS_AT, BLOCK_STEP = 0x4000, 128
HEADER_REGISTERS = 5
BLOCK_DATA = MAX_READ - HEADER_REGISTERS
IDENTITY_BLOCK, CHANNELS_BLOCK, READINGS_BLOCK, SETTINGS_BLOCK, SNAPSHOT_BLOCK, SAMPLES_BLOCK = 0, 1, 8, 32, 40, 41
BLOCKS = (0x10000 - BLOCKS_AT) // BLOCK_STEP

CAPABILITY_BITS = ("waveform-stream", "waveform-snapshot", "readings", "settings", "flash")
SECTION_KINDS = ("highpass1", "lowpass1", "lowpass2", "delay")
SAMPLE_BITS = 24

DEVICE_OBJECTS = {0: "VendorName", 1: "ProductCode", 2: "MajorMinorRevision", 4: "ProductName", 0x80: "EUI"}
"""Objects of the device identification (function 43/14)."""
VENDOR = "Sensix"


class Field(NamedTuple):
    """A field of the identity or of a table in it. type: u16, u32, u64, f32 or text."""

    name: str
    type: str
    registers: int
    text: str


IDENTITY = (
    Field("magic", "u32", 2, f"0x{MAGIC:08X}"),
    Field("map_version", "u16", 1, f"{MAP_VERSION}"),
    Field("eui", "u64", 4, "EUI-64 of the module"),
    Field("type", "text", 16, "for example 3PN-PowerMonitor1"),
    Field("system", "u16", 1, "wiring system: " + ", ".join(f"{n} {name}" for n, name in enumerate(SYSTEMS))),
    Field("firmware", "text", 16, "version"),
    Field("boot_id", "u32", 2, "another one after every restart"),
    Field("capabilities", "u16", 1, "bits: " + ", ".join(f"{n} {name}" for n, name in enumerate(CAPABILITY_BITS))),
    Field("chips", "u16", 1, "front-end chips"),
    Field("table_registers", "u16", 1, "length of the table of channels"),
    Field("calibrated", "text", 8, "date of the calibration, empty where there is none"),
    Field("name", "text", 16, "the module's name in the settings"),
    Field("used", "u16", 16, "of each block of readings: how many data registers the module fills"),
)
CHIP = (
    Field("nominal_rate_hz", "f32", 2, "samples per second"),
    Field("shift", "u16", 1, "bits dropped from the chip's register to make 24"),
    Field("channels", "u16", 1, "channels of the chip; they follow"),
)
CHANNEL = (
    Field("key", "text", 2, "V1 V2 V3 I1 I2 I3 IN"),
    Field("unit", "text", 1, "V or A"),
    Field("unit_per_count", "f32", 2, "units at the terminals per count, in the pass band"),
    Field("full_scale", "f32", 2, "largest magnitude, in units"),
    Field("sections", "u16", 1, "sections of the frequency response; they follow"),
)
SECTION = (
    Field("kind", "u16", 1, ", ".join(f"{n} {kind}" for n, kind in enumerate(SECTION_KINDS))),
    Field("corner_hz", "f32", 2, "corner"),
    Field("q", "f32", 2, "quality factor"),
    Field("delay_us", "f32", 2, "delay"),
)
SNAPSHOT_FIELDS = (
    Field("state", "u16", 1, "0 none, 1 being taken, 2 ready"),
    Field("chips", "u16", 1, "chips; their fields follow, 10 registers each"),
)
SNAPSHOT_CHIP = (
    Field("samples", "u32", 2, "samples of each channel"),
    Field("first_index", "u64", 4, "index of the first one since the module started"),
    Field("device_time_us", "u64", 4, "its time on the module's clock"),
)


def block_address(block: int) -> int:
    """Address of the first register of a protected block."""
    return BLOCKS_AT + BLOCK_STEP * block


@cache
def readings_runs() -> tuple[range, ...]:
    """Addresses in the table that the blocks of readings repeat, in order."""
    fields = (entry.modbus for entry in table().values())
    return _runs((field.address, field.registers) for field in fields if field is not None)


@cache
def settings_runs() -> tuple[range, ...]:
    """Addresses of holding registers that the blocks of settings repeat, in order."""
    return _runs((spec.modbus_address, spec.modbus_registers) for spec in modbus_settings().values())


def readings_end() -> int:
    """The address behind the last reading."""
    return readings_runs()[-1].stop


def _runs(places: Iterable[tuple[int, int]]) -> tuple[range, ...]:
    """Neighbouring places together, each run short enough for one block and no place cut in two."""
    runs: list[range] = []
    for address, registers in sorted(places):
        last = runs[-1] if runs else range(0)
        if runs and last.stop == address and address + registers - last.start <= BLOCK_DATA:
            runs[-1] = range(last.start, address + registers)
        else:
            runs.append(range(address, address + registers))
    return tuple(runs)


def main(arguments: list[str]) -> int:
    """Write docs/register-map.md, or print it."""
    from resources.register_map_text import register_map_text

    text = register_map_text()
    if arguments == ["--write"]:
        path = Path(__file__).resolve().parent.parent / "docs" / "register-map.md"
        path.write_text(text, encoding="utf-8", newline="\n")
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
