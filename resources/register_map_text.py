"""docs/register-map.md as text, from the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from resources import register_map as rm
from resources.parameters import Parameter, table
from resources.settings import SettingSpec, modbus_settings

_HEAD = """# Modbus register map

Written by `python -m resources.register_map --write` from `resources/parameters.csv` and `resources/settings.csv`;
change those, not this file.

Modbus RTU over RS485, version {version} of this map. Addresses count from 0, as they go over the wire. A value
of more than one register has its highest word first, and every register its high byte first. Text is UTF-8,
filled up with zeros. Functions: 3 (holding registers), 4 (input registers), 6 and 16 (write holding
registers), 43/14 (device identification: {objects}). Line: 8 data bits, 1 stop bit; baud, parity and address
are settings ({line} unless set otherwise). A frame ends with a silence of 3.5 characters (1.75 ms above 19 200
baud). A request with a bad CRC or for another address gets no reply. A read outside the tables gets exception
2, a write of what can't be written exception 2, of a value that is not allowed exception 3; nothing of such a
request is done. Writes to address 0 go to all modules and get no reply.
"""

_COPY = """## Protected blocks (input registers from 0x{at:04X})

RTU has no transaction numbers: a reply that comes late looks like the reply to the next request, and values read one
after the other are not of one moment. So everything can also be read from a copy.

1. Write any number - a new one every time - to holding register {latch}. The module copies identity, readings
   and settings of that moment, and gives the copy this number as its mark.
2. Read blocks. Block n begins at 0x{at:04X} + {step} n and has {header} registers of header and up to {data} of data:

| register | content |
|--|--|
| 0 | the block's own address |
| 1 | the mark of the copy |
| 2-4 | time of the copy on the module's clock, us, 48 bits |
| 5- | data |

A reply whose first register is another address, or whose mark is another one, is the reply to something else:
wait until the bus has been silent for a second, and ask again. Blocks of one mark and time belong together.
"""

_SNAPSHOT = """## Snapshot of the waveforms

Write a new number to holding register {snapshot}: the module keeps the last 10 cycles (12 at 60 Hz, down to 95
% of the nominal frequency) of every channel under this mark. Reading that register gives the state, 0 none, 1
being taken, 2 ready. Block {first} tells what there is:
"""

_SAMPLES = """
The samples follow in blocks {samples} and on: of the first chip all channels of the first sample, then of the
second sample and so on, then the next chip; two's complement, {bits} bits, high byte first, without gaps; the
last register is filled up with zero.
"""

_STAGE = """A request of function 16 is done as a whole or not at all. Settings that lie apart are changed
together so: write {begin} to holding register {stage}, write the settings (they are checked and kept for 10
s), write {apply} to {stage}: now all of them count. Only whole settings can be written. Changes of the bus or
of WiFi count at once but stand only when `confirm` is written within 60 s; else they are undone. Secrets read
as zeros.
"""


def register_map_text() -> str:
    """The whole file."""
    settings = modbus_settings()
    line = ", ".join(str(settings[key].default) for key in ("rs485_baud", "rs485_parity", "rs485_unit"))
    parts = [
        _HEAD.format(
            version=rm.MAP_VERSION,
            objects=", ".join(f"0x{number:02X} {name}" for number, name in rm.DEVICE_OBJECTS.items()),
            line=f"{line}",
        ),
        "## Commands (holding registers)\n",
        _table(
            ("address", "write", "read"),
            [
                (str(rm.LATCH), "copy everything under this mark", "mark of the copy"),
                (str(rm.SNAPSHOT), "take a snapshot under this mark", "0 none, 1 being taken, 2 ready"),
                (
                    str(rm.STAGE),
                    f"{rm.STAGE_BEGIN} begin a staged write, {rm.STAGE_APPLY} apply it",
                    "1 if one is open",
                ),
            ],
        ),
        _COPY.format(
            at=rm.BLOCKS_AT, latch=rm.LATCH, step=rm.BLOCK_STEP, header=rm.HEADER_REGISTERS, data=rm.BLOCK_DATA
        ),
        _table(("block", "address", "data"), _blocks()),
        "## Identity (data of block 0)\n",
        _fields(rm.IDENTITY),
        f"## Table of channels (blocks {rm.CHANNELS_BLOCK} and on, one behind the other)\n\nEach chip:\n",
        _fields(rm.CHIP),
        "Each of its channels:\n",
        _fields(rm.CHANNEL),
        "Each section of the channel's frequency response, from the terminals to the counts, with x = f / corner: "
        "highpass1 jx/(1 + jx), lowpass1 1/(1 + jx), lowpass2 1/(1 - x² + jx/q), delay exp(-j 2 pi f delay):\n",
        _fields(rm.SECTION),
        _SNAPSHOT.format(snapshot=rm.SNAPSHOT, first=rm.SNAPSHOT_BLOCK),
        _fields(rm.SNAPSHOT_FIELDS),
        "and of each chip:\n",
        _fields(rm.SNAPSHOT_CHIP, offset=2),
        _SAMPLES.format(samples=rm.SAMPLES_BLOCK, bits=rm.SAMPLE_BITS).lstrip("\n"),
        "## Settings (holding registers)\n",
        _STAGE.format(begin=rm.STAGE_BEGIN, apply=rm.STAGE_APPLY, stage=rm.STAGE),
        _table(
            ("address", "registers", "key", "setting", "content", "access"), map(_setting, modbus_settings().values())
        ),
        "## Readings (input registers)\n",
        "Value = registers / scale, rounded to the nearest and held at the ends of the range. Not available: "
        + ", ".join(f"0x{rm.NOT_AVAILABLE[kind]:X} ({kind})" for kind in ("int16", "uint16", "int32", "int64"))
        + f". Addresses 0 to {rm.readings_end() - 1} can be read; those between the values are 0. "
        "The values here are live; those of several requests are not of one moment.\n",
        _table(("address", "type", "scale", "unit", "key", "reading", "systems"), _readings()),
    ]
    return "\n".join(parts)


def _blocks() -> Iterable[Sequence[str]]:
    yield _block(rm.IDENTITY_BLOCK, "identity")
    yield _block(rm.CHANNELS_BLOCK, "table of channels, on in the next blocks")
    for n, run in enumerate(rm.readings_runs()):
        yield _block(rm.READINGS_BLOCK + n, f"input registers {run.start} to {run.stop - 1}")
    for n, run in enumerate(rm.settings_runs()):
        yield _block(rm.SETTINGS_BLOCK + n, f"holding registers {run.start} to {run.stop - 1}")
    yield _block(rm.SNAPSHOT_BLOCK, "what the snapshot holds")
    yield _block(rm.SAMPLES_BLOCK, f"its samples, on to block {rm.BLOCKS - 1}")


def _block(number: int, text: str) -> Sequence[str]:
    return str(number), f"0x{rm.block_address(number):04X}", text


def _fields(fields: Sequence[rm.Field], offset: int = 0) -> str:
    rows = []
    for field in fields:
        rows.append((str(offset), str(field.registers), field.type, field.name, field.text))
        offset += field.registers
    return _table(("offset", "registers", "type", "field", "content"), rows)


def _setting(spec: SettingSpec) -> Sequence[str]:
    if spec.kind == "text":
        content = f"text, {spec.low:g} to {spec.high:g} bytes"
    elif spec.kind == "switch":
        content = "0 off, 1 on"
    elif spec.kind == "choice" and spec.modbus_scale is None:
        content = ", ".join(f"{n} {choice}" for n, choice in enumerate(spec.choices))
    elif spec.kind == "choice":
        content = f"{spec.unit}: {', '.join(str(choice) for choice in spec.choices)}"
    else:
        unit = f" {spec.unit}" if spec.unit else ""
        scale = f", times {spec.modbus_scale}" if spec.modbus_scale != 1 else ""
        content = f"{spec.low:g} to {spec.high:g}{unit}{scale}"
    return (
        str(spec.modbus_address),
        str(spec.modbus_registers),
        f"`{spec.key}`",
        spec.name,
        content,
        {"rw": "read, write", "ro": "read", "wo": "write"}[spec.access],
    )


def _readings() -> Iterable[Sequence[str]]:
    entries = [(entry.modbus.address, entry) for entry in table().values() if entry.modbus is not None]
    for _, entry in sorted(entries, key=lambda pair: pair[0]):
        yield _reading(entry)


def _reading(entry: Parameter) -> Sequence[str]:
    field = entry.modbus
    assert field is not None
    systems = " ".join(sorted(entry.systems))
    return str(field.address), field.type, str(field.scale), entry.unit, f"`{entry.key}`", entry.name, systems


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "--|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
