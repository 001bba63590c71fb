"""Values to registers and back: readings, settings, identity, snapshot. Where they lie: `resources.register_map`."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, ResponseSection, SampleBlock
from resources import register_map as rm
from resources.parameters import TYPE_BYTES, ModbusField, table
from resources.settings import SettingSpec, Value, modbus_settings
from resources.systems import SYSTEMS

_SIGNED = ("int8", "int16", "int32", "int64")


class CodecError(ValueError):
    """Registers that mean nothing; one sentence without a full stop."""


class Header(NamedTuple):
    """What a protected block begins with. mark: the master's number of the copy; time_us: 48 bits, module's clock."""

    address: int
    mark: int
    time_us: int


class SnapshotInfo(NamedTuple):
    """What a snapshot holds: state, and of each chip samples, first index and time of it (us)."""

    state: int
    chips: tuple[tuple[int, int, int], ...]


def words(data: bytes) -> list[int]:
    """Big-endian 16-bit registers of bytes; an odd one is filled up with zero."""
    data += b"\0" * (len(data) % 2)
    return list(struct.unpack(f">{len(data) // 2}H", data))


def octets(registers: Sequence[int]) -> bytes:
    """The bytes of registers."""
    return struct.pack(f">{len(registers)}H", *registers)


def header(block: int, mark: int, time_us: int) -> list[int]:
    """The registers that a protected block begins with."""
    return [rm.block_address(block), mark, *words((time_us & 0xFFFF_FFFF_FFFF).to_bytes(6, "big"))]


def split_header(registers: Sequence[int]) -> tuple[Header, list[int]]:
    """Header and data of a protected block. CodecError if it is none."""
    if len(registers) < rm.HEADER_REGISTERS:
        raise CodecError("a block is too short")
    time_us = int.from_bytes(octets(registers[2 : rm.HEADER_REGISTERS]), "big")
    return Header(registers[0], registers[1], time_us), list(registers[rm.HEADER_REGISTERS :])


# Readings


def encode_reading(field: ModbusField, value: float | None) -> list[int]:
    """Registers of a reading: rounded, and held at the ends of its range; what is None or NaN is not available."""
    bits = 8 * TYPE_BYTES[field.type]
    if value is None or math.isnan(value):
        raw = rm.NOT_AVAILABLE[field.type]
    else:
        signed = field.type in _SIGNED
        low, high = (1 - (1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 2)
        scaled = value * field.scale
        raw = (high if scaled >= high else low if scaled <= low else round(scaled)) & ((1 << bits) - 1)
    return words(raw.to_bytes(2 * field.registers, "big"))


def decode_reading(field: ModbusField, registers: Sequence[int]) -> float | None:
    """The reading in its registers, None where it is not available."""
    bits = 8 * TYPE_BYTES[field.type]
    raw = int.from_bytes(octets(registers), "big") & ((1 << bits) - 1)
    if raw == rm.NOT_AVAILABLE[field.type]:
        return None
    if field.type in _SIGNED and raw >> (bits - 1):
        raw -= 1 << bits
    return raw / field.scale


def encode_readings(values: Mapping[str, float | None]) -> list[int]:
    """The input registers from 0 on to the end of the table; what is not in `values` is not available."""
    registers = [0] * rm.readings_end()
    for key, entry in table().items():
        if entry.modbus is not None:
            field = entry.modbus
            registers[field.address : field.address + field.registers] = encode_reading(field, values.get(key))
    return registers


def used_registers(keys: Iterable[str]) -> list[int]:
    """Of each block of readings: data registers up to the last one of these keys."""
    fields = [entry.modbus for key in keys if (entry := table().get(key)) is not None and entry.modbus is not None]
    ends = [(field.address, field.address + field.registers) for field in fields]
    return [max((end - run.start for start, end in ends if start in run), default=0) for run in rm.readings_runs()]


def decode_readings(start: int, registers: Sequence[int], keys: Iterable[str]) -> dict[str, float | None]:
    """Readings of those of the keys that lie in these registers (address of the first: start)."""
    values: dict[str, float | None] = {}
    for key in keys:
        field = table()[key].modbus
        if field is None or field.address < start or field.address + field.registers > start + len(registers):
            continue
        at = field.address - start
        values[key] = decode_reading(field, registers[at : at + field.registers])
    return values


# Settings


def encode_setting(spec: SettingSpec, value: Value) -> list[int]:
    """Registers of a setting; None, as a secret reads, is zeros."""
    if value is None:
        return [0] * spec.modbus_registers
    if spec.kind == "text":
        data = str(value).encode("utf-8")
        return words(data.ljust(2 * spec.modbus_registers, b"\0"))
    if spec.kind == "switch":
        number = int(bool(value))
    elif spec.modbus_scale is None:
        number = spec.choices.index(str(value))
    else:
        number = round(float(value) * spec.modbus_scale)
    return words(number.to_bytes(2 * spec.modbus_registers, "big"))


def decode_setting(spec: SettingSpec, registers: Sequence[int]) -> Value:
    """The setting in its registers. CodecError for what can't be one."""
    data = octets(registers)
    if spec.kind == "text":
        text, _, rest = data.partition(b"\0")
        if rest.strip(b"\0"):
            raise CodecError(f"{spec.name} has bytes behind its end")
        try:
            return text.decode("utf-8")
        except UnicodeDecodeError:
            raise CodecError(f"{spec.name} is not UTF-8") from None
    number = int.from_bytes(data, "big")
    if spec.kind == "switch":
        if number > 1:
            raise CodecError(f"{spec.name} is neither 0 nor 1")
        return bool(number)
    if spec.modbus_scale is None:
        if number >= len(spec.choices):
            raise CodecError(f"{spec.name} has no choice {number}")
        return spec.choices[number]
    if spec.kind == "number":
        return number / spec.modbus_scale
    return number // spec.modbus_scale


def decode_settings(start: int, registers: Sequence[int]) -> dict[str, Value]:
    """All settings that lie in these holding registers (address of the first: start); secrets are None."""
    values: dict[str, Value] = {}
    for key, spec in modbus_settings().items():
        at = spec.modbus_address - start
        if at >= 0 and at + spec.modbus_registers <= len(registers):
            piece = registers[at : at + spec.modbus_registers]
            values[key] = None if spec.access == "wo" else decode_setting(spec, piece)
    return values


def settings_writes(values: Mapping[str, Value]) -> list[tuple[int, list[int]]]:
    """(address, registers) of as few writes as take these settings; neighbours go together."""
    writes: list[tuple[int, list[int]]] = []
    for spec in sorted((modbus_settings()[key] for key in values), key=lambda spec: spec.modbus_address):
        registers = encode_setting(spec, values[spec.key])
        if writes:
            address, before = writes[-1]
            if address + len(before) == spec.modbus_address and len(before) + len(registers) <= rm.MAX_WRITE:
                before += registers
                continue
        writes.append((spec.modbus_address, registers))
    return writes


# Identity


def encode_identity(info: ModuleInfo, used: Sequence[int]) -> tuple[list[int], list[int]]:
    """Data of the identity block, and the table of channels."""
    channels = _encode_channels(info.chips)
    values = {
        "magic": rm.MAGIC,
        "map_version": rm.MAP_VERSION,
        "eui": int(info.eui or "0", 16),
        "type": info.type,
        "system": SYSTEMS.index(info.system),
        "firmware": info.firmware,
        "boot_id": info.boot_id,
        "capabilities": sum(1 << n for n, name in enumerate(rm.CAPABILITY_BITS) if name in info.capabilities),
        "chips": len(info.chips),
        "table_registers": len(channels),
        "calibrated": info.calibrated or "",
        "name": info.name,
    }
    registers = _encode_fields(rm.IDENTITY[:-1], values)
    return [*registers, *used, *[0] * (rm.IDENTITY[-1].registers - len(used))], channels


def is_identity(registers: Sequence[int]) -> bool:
    """Whether the data of the identity block begins as that of a module."""
    return len(registers) >= 3 and (registers[0] << 16 | registers[1]) == rm.MAGIC


def identity_version(registers: Sequence[int]) -> int:
    """Version of the map, from the data of the identity block."""
    return registers[2]


def table_registers(registers: Sequence[int]) -> int:
    """Length of the table of channels, from the data of the identity block."""
    reader = _Reader(registers)
    return int(reader.fields(rm.IDENTITY[:-1])["table_registers"])


def decode_identity(registers: Sequence[int], channels: Sequence[int]) -> tuple[ModuleInfo, list[int]]:
    """Identity, and how many registers of each block of readings are in use. CodecError for what can't be one."""
    reader = _Reader(registers)
    values = reader.fields(rm.IDENTITY[:-1])
    used = [reader.number(1) for _ in range(rm.IDENTITY[-1].registers)][: len(rm.readings_runs())]
    if values["system"] >= len(SYSTEMS):
        raise CodecError(f"there is no wiring system {values['system']}")
    if any(count > len(run) for count, run in zip(used, rm.readings_runs(), strict=False)):
        raise CodecError("it fills more registers than there are")
    table_reader = _Reader(channels)
    info = ModuleInfo(
        eui=f"{values['eui']:016X}",
        type=values["type"],
        system=SYSTEMS[values["system"]],
        firmware=values["firmware"],
        chips=tuple(_decode_chip(table_reader) for _ in range(values["chips"])),
        capabilities=frozenset(name for n, name in enumerate(rm.CAPABILITY_BITS) if values["capabilities"] >> n & 1),
        boot_id=values["boot_id"],
        name=values["name"],
        calibrated=values["calibrated"] or None,
    )
    return info, used


def _encode_channels(chips: Sequence[ChipInfo]) -> list[int]:
    registers: list[int] = []
    for chip in chips:
        registers += _encode_fields(rm.CHIP, {**chip._asdict(), "channels": len(chip.channels)})
        for channel in chip.channels:
            registers += _encode_fields(rm.CHANNEL, {**channel._asdict(), "sections": len(channel.response)})
            for section in channel.response:
                kind = rm.SECTION_KINDS.index(section.kind)
                registers += _encode_fields(rm.SECTION, {**section._asdict(), "kind": kind})
    return registers


def _decode_chip(reader: _Reader) -> ChipInfo:
    chip = reader.fields(rm.CHIP)
    rate_hz = float(chip["nominal_rate_hz"])
    if not (math.isfinite(rate_hz) and rate_hz > 0.0):
        raise CodecError("a chip has no sample rate")
    channels = tuple(_decode_channel(reader) for _ in range(chip["channels"]))
    return ChipInfo(rate_hz, channels, chip["shift"])


def _decode_channel(reader: _Reader) -> ChannelInfo:
    values = reader.fields(rm.CHANNEL)
    unit_per_count, full_scale = float(values["unit_per_count"]), float(values["full_scale"])
    if not (math.isfinite(unit_per_count) and math.isfinite(full_scale)):
        raise CodecError("a channel has no scale")
    sections = []
    for _ in range(values["sections"]):
        section = reader.fields(rm.SECTION)
        kind = section["kind"]
        if kind >= len(rm.SECTION_KINDS):
            raise CodecError(f"there is no frequency response of kind {kind}")
        corner_hz, q, delay_us = (float(section[name]) for name in ("corner_hz", "q", "delay_us"))
        sections.append(ResponseSection(rm.SECTION_KINDS[kind], corner_hz, q, delay_us))
    return ChannelInfo(values["key"], values["unit"], unit_per_count, full_scale, tuple(sections))


# Snapshot


def encode_snapshot(blocks: Sequence[SampleBlock]) -> tuple[list[int], list[int]]:
    """Data of the snapshot's first block, and the registers of its samples."""
    info = _encode_fields(rm.SNAPSHOT_FIELDS, {"state": rm.SNAPSHOT_READY, "chips": len(blocks)})
    data = b""
    for block in blocks:
        info += _encode_fields(rm.SNAPSHOT_CHIP, {**block._asdict(), "samples": len(block.counts)})
        data += block.counts.astype(">i4").tobytes()
    raw = np.frombuffer(data, np.uint8).reshape(-1, 4)[:, 1:]
    return info, words(raw.tobytes())


def decode_snapshot_info(registers: Sequence[int]) -> SnapshotInfo:
    """State and extent of a snapshot."""
    reader = _Reader(registers)
    first = reader.fields(rm.SNAPSHOT_FIELDS)
    chips = []
    if first["state"] == rm.SNAPSHOT_READY:
        for _ in range(first["chips"]):
            chip = reader.fields(rm.SNAPSHOT_CHIP)
            chips.append((chip["samples"], chip["first_index"], chip["device_time_us"]))
    return SnapshotInfo(first["state"], tuple(chips))


def snapshot_registers(info: SnapshotInfo, chips: Sequence[ChipInfo]) -> int:
    """How many registers its samples take. CodecError where it does not fit the module or the map."""
    if len(info.chips) != len(chips):
        raise CodecError("the snapshot is of other chips")
    values = sum(samples * len(chip.channels) for (samples, _, _), chip in zip(info.chips, chips, strict=True))
    registers = (values * (rm.SAMPLE_BITS // 8) + 1) // 2
    if registers > (rm.BLOCKS - rm.SAMPLES_BLOCK) * rm.BLOCK_DATA:
        raise CodecError("the snapshot is longer than its registers")
    return registers


def decode_snapshot(
    info: SnapshotInfo, registers: Sequence[int], chips: Sequence[ChipInfo], host_time_ns: int
) -> list[SampleBlock]:
    """The samples of a snapshot, a block a chip."""
    raw = np.frombuffer(octets(registers), np.uint8)
    blocks = []
    at = 0
    for number, (chip, (samples, first_index, time_us)) in enumerate(zip(chips, info.chips, strict=True)):
        size = samples * len(chip.channels) * 3
        three = raw[at : at + size].reshape(-1, 3).astype(np.int32)
        at += size
        counts = (three[:, 0] << 16 | three[:, 1] << 8 | three[:, 2]).astype(np.int32)
        counts -= (counts >> 23) << 24
        shaped = counts.reshape(samples, len(chip.channels))
        blocks.append(SampleBlock(number, first_index, chip.nominal_rate_hz, shaped, time_us, host_time_ns))
    return blocks


# Fields


def _encode_fields(fields: Iterable[rm.Field], values: Mapping[str, Any]) -> list[int]:
    registers: list[int] = []
    for field in fields:
        value = values[field.name]
        if field.type == "text":
            data = str(value).encode("utf-8")[: 2 * field.registers].decode("utf-8", "ignore").encode("utf-8")
            registers += words(data.ljust(2 * field.registers, b"\0"))
        elif field.type == "f32":
            registers += words(struct.pack(">f", value))
        else:
            registers += words(int(value).to_bytes(2 * field.registers, "big"))
    return registers


class _Reader:
    """Takes fields from registers, one after the other."""

    def __init__(self, registers: Sequence[int]) -> None:
        self._registers = registers
        self._at = 0

    def number(self, registers: int) -> int:
        return int.from_bytes(self._take(registers), "big")

    def fields(self, fields: Iterable[rm.Field]) -> dict[str, Any]:
        """{name: int, float or str, by the field's type}."""
        values: dict[str, Any] = {}
        for field in fields:
            data = self._take(field.registers)
            if field.type == "text":
                values[field.name] = data.partition(b"\0")[0].decode("utf-8", "replace")
            elif field.type == "f32":
                values[field.name] = struct.unpack(">f", data)[0]
            else:
                values[field.name] = int.from_bytes(data, "big")
        return values

    def _take(self, registers: int) -> bytes:
        piece = self._registers[self._at : self._at + registers]
        if len(piece) < registers:
            raise CodecError("a table ends too early")
        self._at += registers
        return octets(piece)
