"""Values to registers and back, against registers written by hand."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from device_io.modbus import codec
from device_io.source import SampleBlock
from device_io.virtual_module.module import VirtualModule
from resources import register_map as rm
from resources.parameters import keys_for, parameter, table
from resources.settings import settings_table
from resources.systems import SYSTEMS


@pytest.mark.parametrize(
    ("key", "value", "registers"),
    [
        ("V1r", 230.0, [0x0003, 0x8270]),
        ("V1r", None, [0x8000, 0x0000]),
        ("V1r", math.nan, [0x8000, 0x0000]),
        ("V1r", math.inf, [0x7FFF, 0xFFFF]),
        ("V1r", -1e12, [0x8000, 0x0001]),
        ("P1", -1.5, [0xFFFF, 0xFA24]),
        ("PF1i", -0.5, [0xEC78]),
        ("PF1i", None, [0x8000]),
        ("THV1", 655.34, [0xFFFE]),
        ("THV1", 1e9, [0xFFFE]),
        ("THV1", -0.1, [0]),
        ("THV1", None, [0xFFFF]),
        ("phi1", -180.0, [0xB9B0]),
        ("Prot", 1.0, [1]),
        ("tAE1", 123_456_789.012, [0, 0x001C, 0xBE99, 0x1A14]),
        ("tAE1", None, [0x8000, 0, 0, 0]),
    ],
)
def test_readings(key: str, value: float | None, registers: list[int]):
    field = parameter(key).modbus
    assert field is not None
    assert codec.encode_reading(field, value) == registers
    if value is None or (math.isfinite(value) and abs(value) < 1e9 and value >= -200):
        got = codec.decode_reading(field, registers)
        assert got == (None if value is None else pytest.approx(max(value, 0.0) if key == "THV1" else value, abs=1e-9))


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_key_survives_within_its_resolution(system: str):
    rng = np.random.default_rng(1)
    values = {key: float(rng.uniform(0.0, 300.0)) for key in keys_for(system)}  # type: ignore[arg-type]
    for key in values:
        field = parameter(key).modbus
        assert field is not None
        if field.registers == 1:  # as much as fits
            values[key] *= 100.0 / field.scale
    registers = codec.encode_readings(values)
    got = codec.decode_readings(0, registers, keys_for(system))  # type: ignore[arg-type]
    for key, value in values.items():
        assert got[key] == pytest.approx(value, abs=0.51 / table()[key].modbus.scale), key  # type: ignore[union-attr]


def test_used_registers_end_with_the_last_key():
    used = codec.used_registers(["V1r", "Prot", "tAE1", "1V40", "2V1"])
    assert used[:4] == [80, 4, 0, 41]
    assert sum(used[4:]) == 0


@pytest.mark.parametrize(
    ("key", "value", "registers"),
    [
        ("name", "Äb", [0xC384, 0x6200] + [0] * 14),
        ("name", "", [0] * 16),
        ("nominal_voltage_v", 230.5, [2305]),
        ("nominal_frequency_hz", 60, [60]),
        ("rs485_baud", 115_200, [0x0001, 0xC200]),
        ("rs485_parity", "odd", [2]),
        ("mqtt_fine_percent", True, [1]),
        ("system", "3P", [2]),
    ],
)
def test_settings(key: str, value: object, registers: list[int]):
    spec = settings_table()[key]
    assert codec.encode_setting(spec, value) == registers  # type: ignore[arg-type]
    assert codec.decode_setting(spec, registers) == value


@pytest.mark.parametrize(
    ("key", "registers"),
    [
        ("name", [0x6100, 0x6200] + [0] * 14),
        ("name", [0xFF00] + [0] * 15),
        ("rs485_parity", [3]),
        ("mqtt_fine_percent", [2]),
    ],
)
def test_settings_that_can_not_be(key: str, registers: list[int]):
    with pytest.raises(codec.CodecError):
        codec.decode_setting(settings_table()[key], registers)


def test_neighbours_are_written_together():
    writes = codec.settings_writes({"rs485_unit": 7, "rs485_baud": 9600, "rs485_parity": "none", "mqtt_period_s": 5})
    assert writes == [(32, [0, 9600, 0, 7]), (193, [5])]


def test_a_secret_reads_as_none():
    registers = codec.encode_setting(settings_table()["wifi_password"], None)
    assert registers == [0] * 32
    assert codec.decode_settings(64, registers) == {"wifi_password": None}


@pytest.mark.parametrize("system", SYSTEMS)
def test_identity(system: str):
    info = VirtualModule("clean", system).info._replace(name="Ä" * 30, calibrated="2026-01-31")  # type: ignore[arg-type]
    used = codec.used_registers(["V1r"])
    registers, channels = codec.encode_identity(info, used)
    assert len(registers) == sum(field.registers for field in rm.IDENTITY)
    assert registers[:3] == [0x5358, 0x4D42, 1]
    got, got_used = codec.decode_identity(registers, channels)
    assert got_used == used
    assert got.name == "Ä" * 16
    assert got._replace(chips=(), name="") == info._replace(chips=(), name="")
    assert [channel.key for channel in got.channels] == [channel.key for channel in info.channels]


def test_an_identity_cut_anywhere_raises_one_error_only():
    registers, channels = codec.encode_identity(VirtualModule("clean").info, codec.used_registers(["V1r"]))
    for end in range(len(registers)):
        with pytest.raises(codec.CodecError):
            codec.decode_identity(registers[:end], channels)
    for end in range(len(channels)):
        with pytest.raises(codec.CodecError):
            codec.decode_identity(registers, channels[:end])


def test_an_identity_of_random_registers_raises_one_error_only():
    rng = np.random.default_rng(random.randrange(2**32))
    registers, channels = codec.encode_identity(VirtualModule("clean").info, codec.used_registers(["V1r"]))
    for _ in range(500):
        spoilt = [*registers], [*channels]
        for _ in range(3):
            table_ = spoilt[int(rng.integers(2))]
            table_[int(rng.integers(len(table_)))] = int(rng.integers(0x10000))
        try:
            codec.decode_identity(*spoilt)
        except codec.CodecError:
            continue


def test_a_snapshot_keeps_every_count():
    chips = VirtualModule("clean").info.chips
    rng = np.random.default_rng(2)
    blocks = [
        SampleBlock(
            n, 1 << 40, 4000.0, rng.integers(-(1 << 23), 1 << 23, (51, len(chip.channels)), np.int32), 77 << 40, 5
        )
        for n, chip in enumerate(chips)
    ]
    blocks[0].counts[0] = (-(1 << 23), (1 << 23) - 1, -1)
    info_registers, samples = codec.encode_snapshot(blocks)
    info = codec.decode_snapshot_info(info_registers)
    assert codec.snapshot_registers(info, chips) == len(samples)
    assert samples[:2] == [0x8000, 0x007F]
    for got, true in zip(codec.decode_snapshot(info, samples, chips, 5), blocks, strict=True):
        assert got[:3] == true[:3]
        assert got[4:] == true[4:]
        assert (got.counts == true.counts).all()


def test_a_snapshot_that_can_not_be_is_refused():
    chips = VirtualModule("clean").info.chips
    with pytest.raises(codec.CodecError):
        codec.snapshot_registers(codec.SnapshotInfo(2, ((1, 0, 0),)), chips)
    with pytest.raises(codec.CodecError):
        codec.snapshot_registers(codec.SnapshotInfo(2, ((1 << 31, 0, 0),) * 3), chips)
