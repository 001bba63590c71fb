"""The register map: no two things share a register, and its description is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from resources import register_map as rm
from resources.parameters import table
from resources.register_map_text import register_map_text
from resources.settings import modbus_settings

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_description_is_that_of_the_tables():
    written = (ROOT / "docs" / "register-map.md").read_text(encoding="utf-8")
    assert written == register_map_text(), "run `python -m resources.register_map --write`"


def test_it_can_be_printed():
    done = subprocess.run(
        [sys.executable, "-m", "resources.register_map"], cwd=ROOT, capture_output=True, text=True, timeout=55
    )
    assert done.returncode == 0
    assert done.stdout == register_map_text()


def test_every_key_and_every_setting_is_described():
    text = register_map_text()
    for key in (*table(), *modbus_settings()):
        assert f"| `{key}` |" in text


def test_every_reading_lies_in_one_block():
    for key, entry in table().items():
        assert entry.modbus is not None, key
        place = range(entry.modbus.address, entry.modbus.address + entry.modbus.registers)
        holding = [run for run in rm.readings_runs() if place.start in run and place.stop <= run.stop]
        assert len(holding) == 1, key


def test_every_setting_lies_in_one_block():
    for key, spec in modbus_settings().items():
        place = range(spec.modbus_address, spec.modbus_address + spec.modbus_registers)
        holding = [run for run in rm.settings_runs() if place.start in run and place.stop <= run.stop]
        assert len(holding) == 1, key


def test_blocks_fit_a_request_and_each_other():
    assert rm.HEADER_REGISTERS + rm.BLOCK_DATA <= rm.MAX_READ <= rm.BLOCK_STEP
    assert all(len(run) <= rm.BLOCK_DATA for run in (*rm.readings_runs(), *rm.settings_runs()))
    assert rm.READINGS_BLOCK + len(rm.readings_runs()) <= rm.SETTINGS_BLOCK
    assert rm.SETTINGS_BLOCK + len(rm.settings_runs()) <= rm.SNAPSHOT_BLOCK
    assert rm.readings_end() <= rm.BLOCKS_AT
    assert sum(field.registers for field in rm.IDENTITY) <= rm.BLOCK_DATA
    assert len(rm.readings_runs()) <= rm.IDENTITY[-1].registers
    assert rm.block_address(rm.BLOCKS - 1) + rm.BLOCK_STEP == 0x10000


def test_commands_are_no_settings():
    taken = {address for run in rm.settings_runs() for address in run}
    assert not taken & {rm.LATCH, rm.SNAPSHOT, rm.STAGE}
