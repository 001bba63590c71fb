"""Blocks of the module: clocks, continuity, identity, settings, and what a decoder makes of the encoded stream."""

import math

import numpy as np
import pytest

from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.identity import identity_from_json, identity_to_json
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, SampleDecoder
from device_io.virtual_module.front_end import ChipClock
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.presets import preset_names
from device_io.virtual_module.readings import ReadingsMaker, measure
from device_io.virtual_module.settings import SettingError, Settings
from resources.systems import SYSTEMS, channels_of


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", preset_names())
def test_every_preset_runs_in_every_system(name, system):
    module = VirtualModule(name, system)
    assert sorted(channel.key for channel in module.info.channels) == sorted(channels_of(system))
    next_index = {}
    for block in module.stream(0.5):
        assert block.first_index == next_index.get(block.chip, 0)
        next_index[block.chip] = block.first_index + len(block.counts)
        assert 99 <= len(block.counts) <= 101
        assert block.counts.shape[1] == len(module.info.chips[block.chip].channels)
        limits = [c.full_scale / c.unit_per_count for c in module.info.chips[block.chip].channels]
        assert (np.abs(block.counts).max(axis=0) < limits).all()
    assert len(next_index) == len(module.info.chips)
    for count in next_index.values():
        assert 1999 <= count <= 2001


def test_blocks_come_in_the_order_of_time_and_need_no_history():
    module = VirtualModule("office", seed=1)
    straight = list(module.stream(0.2))
    assert [block.host_time_ns for block in straight] == sorted(block.host_time_ns for block in straight)
    alone = VirtualModule("office", seed=1).blocks(7)
    for block, other in zip(straight[21:24], alone, strict=True):
        assert (block.chip, block.first_index, block.device_time_us) == (
            other.chip,
            other.first_index,
            other.device_time_us,
        )
        noise = 6 * 1.5 * 2 * 130  # counts; six sigma of both
        assert np.abs(block.counts - other.counts).max() < noise


def test_device_time_shows_each_chips_clock_on_the_modules_own():
    clocks = (ChipClock(50.0, 0.0), ChipClock(-30.0, 120.0), ChipClock(0.0, 240.0))
    module = VirtualModule("clean", clocks=clocks, clock_ppm=10.0)
    for slot in (0, 40, 400_000):  # up to 10 000 s
        for block in module.blocks(slot):
            clock = clocks[block.chip]
            true_s = clock.skew_us * 1e-6 + block.first_index / (4000.0 * (1.0 + clock.ppm * 1e-6))
            assert slot * SLOT_S - 1e-9 <= true_s < (slot + 1) * SLOT_S
            assert block.device_time_us == pytest.approx(true_s * 1.00001 * 1e6, abs=0.51)


def test_samples_are_the_mains_at_the_chips_own_times():
    clocks = (ChipClock(), ChipClock(200.0, 170.0), ChipClock())
    module = VirtualModule("clean", clocks=clocks)
    block = next(b for b in module.blocks(40_000) if b.chip == 1)
    k = block.first_index + np.arange(len(block.counts))
    t = 170e-6 + k / (4000.0 * 1.0002)
    high = 1 / (1 - 1j * 0.3125 / 50)
    x = 50 / 1581.32
    gain = high / (1 - x * x + 1j * x / 0.716418)
    for column, (rms, angle) in enumerate(((230.0, -120.0), (10.0, -150.0))):
        wanted = math.sqrt(2) * rms * np.abs(gain)
        wanted = wanted * np.cos(2 * math.pi * 50 * t + math.radians(angle) + np.angle(gain))
        found = block.counts[:, column] * module.info.chips[1].channels[column].unit_per_count
        assert np.abs(found - wanted).max() < 5 * 0.0282 * (1.0 if column == 0 else 0.0625)


def test_seed_decides_the_noise():
    first, same, other = (VirtualModule("clean", seed=s).blocks(0)[0].counts for s in (5, 5, 6))
    assert (first == same).all()
    assert (first != other).any()


def test_identity_survives_the_link_and_boots_differ():
    one, two = VirtualModule("office"), VirtualModule("office")
    assert identity_from_json(identity_to_json(one.info)) == one.info
    assert one.info.eui == two.info.eui
    assert one.info.boot_id != two.info.boot_id
    assert VirtualModule("office", eui="00112233AABBCCDD").info.eui == "00112233AABBCCDD"
    assert one.info.eui != VirtualModule("clean").info.eui


@pytest.mark.parametrize("coding", list(Coding))
def test_the_encoded_stream_decodes_to_the_same_samples(coding):
    frames = Deframer().feed(b"".join(VirtualModule("office", seed=2).encoded(1.0, coding)))
    assert {kind for kind, _ in frames} == {Kind.SAMPLES}
    decoder = SampleDecoder(dict.fromkeys(range(3), 4000.0), {0: 3, 1: 2, 2: 2})
    decoded = decoder.decode([payload for _, payload in frames], 0)
    blocks = list(VirtualModule("office", seed=2).stream(1.0))
    assert len(decoded) == len(blocks) == 120
    for block, other in zip(blocks, decoded, strict=True):
        assert (block.chip, block.first_index, block.device_time_us) == (
            other.chip,
            other.first_index,
            other.device_time_us,
        )
        assert (block.counts == other.counts).all()
    assert decoder.samples_missing == decoder.blocks_bad == 0


def test_the_coded_office_takes_under_80_percent_of_921600_baud():
    size = sum(map(len, VirtualModule("office").encoded(4.0, Coding.DIFFERENCE)))
    assert size / 4.0 * 10 / 921_600 < 0.80


def test_settings_are_checked_and_written_all_or_none():
    module = VirtualModule("clean")
    module.settings.write({"name": "Main board", "nominal_voltage_v": 120})
    assert module.info.name == "Main board"
    for change, reason in (
        ({"name": "x", "colour": 1}, "unknown"),
        ({"name": "x", "system": "1P"}, "read-only"),
        ({"name": "x" * 33}, "bad-value"),
        ({"name": "x", "nominal_voltage_v": 7}, "bad-value"),
        ({"name": "x", "nominal_voltage_v": True}, "bad-value"),
        ({"name": "x", "nominal_frequency_hz": 55}, "bad-value"),
    ):
        with pytest.raises(SettingError) as caught:
            module.settings.write(change)
        assert caught.value.reason == reason
    assert module.settings["name"] == "Main board"


def test_readings_have_the_payloads_keys():
    values = measure(VirtualModule("clean"), 2.0)
    assert {"V1r", "Pc", "THI3", "3I40"} <= values.keys()
    assert "u2" not in values
    assert values["tAE1"] is None


def test_energies_count_between_readings():
    module = VirtualModule("clean")
    maker = ReadingsMaker(module)
    first, later = maker.at(10.0, 0.0), maker.at(3610.0, 0.0)
    assert first["tAE1"] == pytest.approx(first["P1"] * 10.0 / 3600.0)
    assert later["tAE1"] - first["tAE1"] == pytest.approx(later["P1"])
    assert maker.at(3610.1, 0.2) == later


def test_a_change_that_may_cut_a_link_is_undone_unless_confirmed():
    now = [0.0]
    settings = Settings("x", "3P+N", 230.0, 50.0, clock=lambda: now[0])
    told = []
    settings.on_change.append(told.append)
    settings.write({"rs485_unit": 9, "name": "y"})
    assert (settings["rs485_unit"], settings["unconfirmed_s"]) == (9, 60)
    assert settings.stored()["rs485_unit"] == 1
    now[0] = 59.9
    settings.tick()
    assert settings["rs485_unit"] == 9
    now[0] = 60.0
    settings.tick()
    assert (settings["rs485_unit"], settings["name"], settings["unconfirmed_s"]) == (1, "y", 0)
    assert told == [{"rs485_unit", "name"}, {"rs485_unit"}]
    settings.write({"rs485_unit": 9})
    settings.write({"confirm": True})
    now[0] = 1000.0
    settings.tick()
    assert settings["rs485_unit"] == 9


def test_secrets_are_written_but_not_read():
    settings = Settings("x", "3P+N", 230.0, 50.0)
    settings.write({"wifi_password": "open sesame"})
    assert settings["wifi_password"] is None
    assert settings.secret("wifi_password") == "open sesame"
    with pytest.raises(SettingError):
        settings.write({"unconfirmed_s": 3})
