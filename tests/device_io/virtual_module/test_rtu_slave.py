"""The RTU slave, byte by byte."""

from __future__ import annotations

import random
import struct

import pytest

from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, crc16, framed, gap_s, intact
from resources import register_map as rm
from resources.settings import settings_table
from tests.fakes.rtu_line import running_module


@pytest.fixture
def module() -> VirtualModule:
    return running_module()


@pytest.fixture
def slave(module: VirtualModule) -> RtuSlave:
    return RtuSlave([ModuleRegisters(module)])


def ask(slave: RtuSlave, body: str, now_s: float = 0.0) -> str:
    """The reply to a request without its CRC, also without it; as hex."""
    slave.receive(framed(bytes.fromhex(body)), now_s)
    reply = slave.answer(now_s) or slave.answer(now_s + 0.1)
    assert not reply or intact(reply)
    return reply[:-2].hex(" ")


def test_the_crc_is_that_of_the_standard():
    assert framed(bytes.fromhex("01 04 00 00 00 02")) == bytes.fromhex("01 04 00 00 00 02 71 CB")
    assert crc16(b"123456789") == 0x4B37


def test_gaps_are_those_of_the_standard():
    assert gap_s(9600, "E") == pytest.approx(3.5 * 11 / 9600)
    assert gap_s(19_200, "E") == pytest.approx(3.5 * 11 / 19_200)
    assert gap_s(115_200, "N") == 0.001_75


def test_readings_are_those_of_the_module(slave: RtuSlave, module: VirtualModule):
    reply = bytes.fromhex(ask(slave, "01 04 00 00 00 06"))
    volts = [value / 1000 for value in struct.unpack(">3i", reply[3:])]
    values = module.readings(10.0)
    assert volts == pytest.approx([values["V1r"], values["V2r"], values["V3r"]], abs=0.0006)


def test_what_is_not_measured_is_not_available(slave: RtuSlave):
    assert ask(slave, "01 04 00 14 00 02") == "01 04 04 80 00 00 00"  # ILr, int32
    assert ask(slave, "01 04 00 4C 00 01") == "01 04 02 ff ff"  # THIN, uint16
    assert ask(slave, "01 04 00 3C 00 01") == "01 04 02 80 00"  # dPF1, int16
    assert ask(slave, "01 04 00 F8 00 04") == "01 04 08 80 00 00 00 00 00 00 00"  # EP1+, int64


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("01 04 0C 30 00 01", "01 84 02"),  # behind the last reading
        ("01 04 FF FF 00 02", "01 84 02"),  # over the end of the addresses
        ("01 04 00 00 00 00", "01 84 03"),
        ("01 04 00 00 00 7E", "01 84 03"),  # 126 registers
        ("01 04 40 01 00 7D", "01 84 02"),  # over the end of a block
        ("01 03 00 C5 00 01", "01 83 02"),  # behind the last setting
        ("01 03 00 C4 00 01", "01 03 02 00 00"),
        ("01 01 00 00 00 01", "01 81 01"),  # no coils
        ("01 08 00 00 12 34", "01 88 01"),
        ("01 06 00 12 00 01", "01 86 02"),  # read only
        ("01 06 00 20 4B 00", "01 86 02"),  # half of the baud
        ("01 06 00 10 FF FF", "01 86 03"),  # 6553.5 V
        ("01 06 00 C2 00 02", "01 86 03"),  # neither on nor off
        ("01 06 03 EA 00 02", "01 86 03"),  # nothing is staged
        ("01 10 00 10 00 02 02 00 00", "01 90 03"),
        ("01 2B 0E 05 00", "01 ab 03"),
        ("01 2B 0E 04 07", "01 ab 02"),
    ],
)
def test_wrong_requests_get_an_exception(slave: RtuSlave, request_: str, reply: str):
    assert ask(slave, request_) == reply


def test_it_is_silent_for_others_and_for_damage(slave: RtuSlave):
    assert ask(slave, "02 04 00 00 00 02") == ""
    assert ask(slave, "01 04 00 00 00") == ask(slave, "01 10 00 10 00 01 03 00 00") == ""
    longer = framed(bytes.fromhex("01 04 00 00 00 02")) + b"\0"
    assert intact(longer)
    slave.receive(longer, 5.0)
    assert slave.answer(5.0) == slave.answer(6.0) == b""
    frame = bytearray(framed(bytes.fromhex("01 04 00 00 00 02")))
    for bit in range(8 * len(frame)):
        damaged = bytearray(frame)
        damaged[bit // 8] ^= 1 << bit % 8
        slave.receive(bytes(damaged), 10.0 * bit)
        assert slave.answer(10.0 * bit) == slave.answer(10.0 * bit + 1.0) == b""


def test_a_silence_ends_a_frame(slave: RtuSlave):
    frame = framed(bytes.fromhex("01 04 00 14 00 02"))
    gap = gap_s(19_200, "E")
    slave.receive(frame[:3], 0.0)
    slave.receive(frame[3:], 0.9 * gap)
    assert slave.answer(0.9 * gap)
    slave.receive(frame[:3], 1.0)
    slave.receive(frame[3:], 1.0 + 1.1 * gap)
    assert slave.answer(1.0 + 1.1 * gap) == slave.answer(2.0) == b""


def test_bytes_before_a_request_spoil_it_until_a_silence(slave: RtuSlave):
    frame = framed(bytes.fromhex("01 04 00 14 00 02"))
    slave.receive(b"\x00" + frame, 0.0)
    assert slave.answer(0.0) == slave.answer(1.0) == b""
    slave.receive(frame, 2.0)
    assert slave.answer(2.0)


def test_settings_are_written_and_read(slave: RtuSlave, module: VirtualModule):
    assert ask(slave, "01 10 00 00 00 10 20" + " 4B 65 6C 6C 65 72" + " 00" * 26) == "01 10 00 00 00 10"
    assert module.settings["name"] == "Keller"
    assert ask(slave, "01 06 00 10 04 CD") == "01 06 00 10 04 cd"
    assert module.settings["nominal_voltage_v"] == 122.9
    assert ask(slave, "01 03 00 10 00 03") == "01 03 06 04 cd 00 32 00 03"
    assert ask(slave, "01 10 00 40 00 20 40" + " 61" * 10 + " 00" * 54) == "01 10 00 40 00 20"
    assert module.settings.secret("wifi_password") == "a" * 10
    assert ask(slave, "01 03 00 40 00 05") == "01 03 0a" + " 00" * 10, "a secret reads as zeros"


def test_a_write_is_done_whole_or_not_at_all(slave: RtuSlave, module: VirtualModule):
    before = dict(module.settings)
    # 240 V is fine, 55 Hz is not.
    assert ask(slave, "01 10 00 10 00 02 04 09 60 00 37") == "01 90 03"
    assert dict(module.settings) == before


def test_staged_settings_count_together(slave: RtuSlave, module: VirtualModule):
    before = dict(module.settings)
    assert ask(slave, "01 06 03 EA 00 01") == "01 06 03 ea 00 01"
    assert ask(slave, "01 06 00 10 09 60") == "01 06 00 10 09 60"
    assert ask(slave, "01 06 00 C1 00 07") == "01 06 00 c1 00 07"
    assert dict(module.settings) == before
    assert ask(slave, "01 06 03 EA 00 02") == "01 06 03 ea 00 02"
    assert (module.settings["nominal_voltage_v"], module.settings["mqtt_period_s"]) == (240.0, 7)


def test_staged_settings_are_forgotten(slave: RtuSlave, module: VirtualModule):
    ask(slave, "01 06 03 EA 00 01")
    ask(slave, "01 06 00 C1 00 09")
    module._power_up_s -= 11.0
    assert ask(slave, "01 06 03 EA 00 02") == "01 86 03"
    assert module.settings["mqtt_period_s"] != 9


def test_identification(slave: RtuSlave, module: VirtualModule):
    reply = bytes.fromhex(ask(slave, "01 2B 0E 04 80"))
    assert reply[-16:].decode() == module.info.eui
    reply = bytes.fromhex(ask(slave, "01 2B 0E 01 00"))
    assert reply[7] == 3
    assert b"Sensix" in reply


@pytest.mark.parametrize("request_", ["01 2B 0E 01 04", "01 2B 0E 02 80", "01 2B 0E 03 7F"])
def test_an_object_outside_of_its_category_begins_anew(slave: RtuSlave, request_: str):
    """As one that is not known: Modbus Application Protocol V1.1b3, 6.21."""
    assert ask(slave, request_) == ask(slave, f"{request_[:-2]}00")


def test_a_copy_holds_still_while_the_readings_go_on(slave: RtuSlave, module: VirtualModule):
    ask(slave, "01 06 03 E8 12 34")
    first = ask(slave, "01 04 44 00 00 55")
    module._power_up_s -= 1.0
    assert ask(slave, "01 04 44 00 00 55") == first
    assert first[9:20] == "44 00 12 34"[:11]
    ask(slave, "01 06 03 E8 12 35")
    second = ask(slave, "01 04 44 00 00 55")
    assert second[15:20] == "12 35"
    assert second[36:] != first[36:]


def test_a_broadcast_is_done_and_not_answered(slave: RtuSlave, module: VirtualModule):
    assert ask(slave, "00 06 00 C1 00 0B") == ""
    assert module.settings["mqtt_period_s"] == 11


def test_several_units_and_a_collision():
    modules = [running_module("clean", seed=n) for n in range(3)]
    for module, unit in zip(modules, (3, 4, 4), strict=True):
        module.settings.write({"rs485_unit": unit, "confirm": True})
    slave = RtuSlave([ModuleRegisters(module) for module in modules])
    assert ask(slave, "03 04 40 00 00 01") == "03 04 02 40 00"
    assert ask(slave, "01 04 40 00 00 01") == ""
    slave.receive(framed(bytes.fromhex("04 04 00 00 00 50")), 0.0)
    assert not intact(slave.answer(0.0)), "two units that answer at once garble each other"


def test_units_of_another_baud_hear_nothing(slave: RtuSlave):
    slave.receive(framed(bytes.fromhex("01 04 00 14 00 02")), 0.0)
    assert slave.answer(0.0, baud=9600) == b""


def test_random_bytes_change_nothing_and_raise_nothing(slave: RtuSlave, module: VirtualModule):
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    before = dict(module.settings)
    for n in range(5_000):
        slave.receive(rng.randbytes(rng.randrange(1, 300)), float(n))
        assert slave.answer(n + 0.5) == b"", f"seed {seed}"
    assert dict(module.settings) == before


def test_intact_requests_of_any_content_raise_nothing():
    """Right CRC, nonsense inside: a reply or an exception, and no setting out of its range."""
    module = running_module()
    slave = RtuSlave([ModuleRegisters(module)])
    seed = random.randrange(1 << 32)
    rng = random.Random(seed)
    for n in range(5_000):
        function = rng.choice((3, 4, 6, 16, 43, rng.randrange(256)))
        data = rng.randbytes(rng.choice((0, 1, 3, 4, 5, rng.randrange(60))))
        slave.receive(framed(bytes([1, function]) + data), float(n))
        reply = slave.answer(float(n)) or slave.answer(n + 0.5)
        assert not reply or (intact(reply) and reply[0] in (1, module.settings["rs485_unit"])), f"seed {seed}"
    for key, spec in settings_table().items():
        if spec.access == "rw":
            assert spec.problem(module.settings[key]) is None, f"{key}, seed {seed}"


def test_the_snapshot_is_the_modules_samples(slave: RtuSlave, module: VirtualModule):
    assert ask(slave, "01 06 03 E9 00 07") == "01 06 03 e9 00 07"
    info = bytes.fromhex(ask(slave, "01 04 54 00 00 25"))[13:]
    state, chips, samples, first_index = struct.unpack(">HHIQ", info[:16])
    assert (state, chips) == (2, 3)
    assert samples >= 4000 * 10 / 47.5
    block = bytes.fromhex(ask(slave, "01 04 54 80 00 7D"))[3:]
    assert block[:4] == bytes.fromhex("54 80 00 07")
    first = int.from_bytes(block[10:13], "big", signed=True)
    slot = next(n for n in range(10_000) if module.blocks(n)[0].first_index == first_index)
    assert first == pytest.approx(module.blocks(slot)[0].counts[0, 0], abs=1500)  # 0.3 V of noise, new with every call
    assert ask(slave, "01 03 03 E9 00 01") == "01 03 02 00 02"
    assert rm.block_address(rm.SNAPSHOT_BLOCK) == 0x5400
