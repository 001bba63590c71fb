"""The registers of a virtual module: what `resources.register_map` describes, filled from the module."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from device_io.modbus import codec
from device_io.source import SampleBlock
from device_io.virtual_module.module import SLOT_S, VirtualModule
from device_io.virtual_module.settings import SettingError
from resources import register_map as rm
from resources.settings import Value, modbus_settings

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 1, 2, 3, 4
OLDEST_S, REFRESH_S = 0.5, 0.4
"""Readings are at most this old; while somebody reads they are renewed after this time, between two requests."""
STAGE_S = 10.0
"""Staged writes that nobody applies are forgotten after this time."""
CAPABILITIES = frozenset({"waveform-snapshot", "readings", "settings"})
"""What a module offers over RS485."""
LOWEST_SHARE = 0.95
"""A snapshot holds 10 (12) cycles down to this share of the nominal frequency."""


class RegisterFault(Exception):
    """A request that gets an exception reply. `code`: of Modbus."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code}")
        self.code = code


class ModuleRegisters:
    """Registers of one module. Used by one thread."""

    def __init__(self, module: VirtualModule) -> None:
        self._module = module
        self._copy: dict[int, list[int]] = {}
        self._snapshot: dict[int, list[int]] = {}
        self._snapshot_mark = 0
        self._mark = 0
        self._live: list[int] = []
        self._live_s = -math.inf
        self._used: list[int] = []
        self._asked = False
        self._staged: dict[str, Value] | None = None
        self._staged_s = 0.0
        self._latch(0)
        self._snapshot_info(rm.SNAPSHOT_NONE)

    @property
    def unit(self) -> int:
        """Its address on the bus."""
        return int(str(self._module.settings.secret("rs485_unit")))

    @property
    def baud(self) -> int:
        """The rate it listens at."""
        return int(str(self._module.settings.secret("rs485_baud")))

    @property
    def parity(self) -> str:
        """N, E or O."""
        return str(self._module.settings.secret("rs485_parity"))[0].upper()

    def objects(self) -> dict[int, bytes]:
        """What the device identification tells, in order."""
        info = self._module.info
        texts = (rm.VENDOR, info.type, info.firmware, info.name or info.type, info.eui or "")
        return {number: text.encode() for number, text in zip(rm.DEVICE_OBJECTS, texts, strict=True)}

    def read_input(self, address: int, count: int) -> list[int]:
        """Input registers; RegisterFault for what there is not."""
        end = address + count
        self._asked = True
        if end <= rm.readings_end():
            self._refresh(OLDEST_S)
            return self._live[address:end]
        block, offset = divmod(address - rm.BLOCKS_AT, rm.BLOCK_STEP)
        if block == rm.SNAPSHOT_BLOCK and self._snapshot_state() == rm.SNAPSHOT_BUSY:
            self._take_snapshot(self._snapshot_mark)
        registers = self._copy.get(block) or self._snapshot.get(block)
        if address < rm.BLOCKS_AT or registers is None or offset + count > len(registers):
            raise RegisterFault(ILLEGAL_ADDRESS)
        return registers[offset : offset + count]

    def read_holding(self, address: int, count: int) -> list[int]:
        """Holding registers; gaps between settings read as zeros."""
        end = address + count
        if address >= rm.LATCH and end <= rm.STAGE + 1:
            commands = [self._mark, self._snapshot_state(), int(self._staged is not None)]
            return commands[address - rm.LATCH : end - rm.LATCH]
        registers = self._settings_registers()
        if end > len(registers):
            raise RegisterFault(ILLEGAL_ADDRESS)
        return registers[address:end]

    def write(self, address: int, registers: Sequence[int]) -> None:
        """Write holding registers, all or none."""
        commands: dict[int, Callable[[int], None]] = {
            rm.LATCH: self._latch,
            rm.SNAPSHOT: self._take_snapshot,
            rm.STAGE: self._stage,
        }
        if address in commands:
            if len(registers) != 1:
                raise RegisterFault(ILLEGAL_ADDRESS)
            commands[address](registers[0])
            return
        changes: dict[str, Value] = {}
        places = {spec.modbus_address: spec for spec in modbus_settings().values()}
        at = 0
        while at < len(registers):
            spec = places.get(address + at)
            if spec is None or spec.access == "ro" or at + spec.modbus_registers > len(registers):
                raise RegisterFault(ILLEGAL_ADDRESS)
            try:
                value = codec.decode_setting(spec, registers[at : at + spec.modbus_registers])
            except codec.CodecError:
                raise RegisterFault(ILLEGAL_VALUE) from None
            if spec.problem(value) is not None:
                raise RegisterFault(ILLEGAL_VALUE)
            changes[spec.key] = value
            at += spec.modbus_registers
        if self._staged is not None and self._module.now_s() - self._staged_s < STAGE_S:
            self._staged |= changes
        else:
            self._apply(changes)

    def _stage(self, command: int) -> None:
        if command == rm.STAGE_BEGIN:
            self._staged, self._staged_s = {}, self._module.now_s()
        elif command == rm.STAGE_APPLY:
            staged, self._staged = self._staged, None
            if staged is None or self._module.now_s() - self._staged_s >= STAGE_S:
                raise RegisterFault(ILLEGAL_VALUE)
            self._apply(staged)
        else:
            raise RegisterFault(ILLEGAL_VALUE)

    def _apply(self, changes: dict[str, Value]) -> None:
        try:
            self._module.settings.write(changes)
        except SettingError:
            raise RegisterFault(ILLEGAL_VALUE) from None

    def prepare(self) -> None:
        """Renew the readings if somebody reads them; for the time between a reply and the next request."""
        if self._asked:
            self._asked = False
            self._refresh(REFRESH_S)

    def _refresh(self, oldest_s: float) -> None:
        now_s = self._module.now_s()
        if now_s - self._live_s >= oldest_s:
            values = self._module.readings(0.0)
            self._live, self._used = codec.encode_readings(values), codec.used_registers(values)
            self._live_s = now_s

    def _settings_registers(self) -> list[int]:
        registers = [0] * rm.settings_runs()[-1].stop
        for key, spec in modbus_settings().items():
            place = slice(spec.modbus_address, spec.modbus_address + spec.modbus_registers)
            registers[place] = codec.encode_setting(spec, self._module.settings[key])
        return registers

    def _latch(self, mark: int) -> None:
        """Copy everything into the protected blocks under this mark."""
        self._refresh(OLDEST_S)
        time_us = self._module.device_time_us(self._module.now_s())
        info = self._module.info._replace(capabilities=CAPABILITIES)
        identity, channels = codec.encode_identity(info, self._used)
        data = {rm.IDENTITY_BLOCK: identity}
        for first, registers, runs in (
            (rm.CHANNELS_BLOCK, channels, pieces(len(channels))),
            (rm.READINGS_BLOCK, self._live, rm.readings_runs()),
            (rm.SETTINGS_BLOCK, self._settings_registers(), rm.settings_runs()),
        ):
            data |= {first + n: registers[run.start : run.stop] for n, run in enumerate(runs)}
        self._copy = {block: codec.header(block, mark, time_us) + registers for block, registers in data.items()}
        self._mark = mark

    def _take_snapshot(self, mark: int) -> None:
        """Keep the last 10 (12) cycles of every channel under this mark; busy until there are so many."""
        module = self._module
        nominal_hz = float(str(module.settings["nominal_frequency_hz"]))
        seconds = round(nominal_hz / 5.0) / (LOWEST_SHARE * nominal_hz)
        slots = math.ceil(seconds / SLOT_S)
        last = module.slot_at(module.now_s())
        self._snapshot_mark = mark
        if last < slots:
            self._snapshot_info(rm.SNAPSHOT_BUSY)
            return
        series: list[list[SampleBlock]] = [module.blocks(slot) for slot in range(last - slots, last)]
        blocks = [joined(chip) for chip in zip(*series, strict=True)]
        info, samples = codec.encode_snapshot(blocks)
        time_us = self._snapshot_info(info[0], info[1:])
        for n, run in enumerate(pieces(len(samples))):
            block = rm.SAMPLES_BLOCK + n
            self._snapshot[block] = codec.header(block, mark, time_us) + samples[run.start : run.stop]

    def _snapshot_state(self) -> int:
        return self._snapshot[rm.SNAPSHOT_BLOCK][rm.HEADER_REGISTERS]

    def _snapshot_info(self, state: int, rest: Sequence[int] = ()) -> int:
        """Begin the snapshot anew with its first block; returns its time (us)."""
        time_us = self._module.device_time_us(self._module.now_s())
        head = codec.header(rm.SNAPSHOT_BLOCK, self._snapshot_mark, time_us)
        self._snapshot = {rm.SNAPSHOT_BLOCK: [*head, state, *(rest or [0])]}
        return time_us


def joined(blocks: Sequence[SampleBlock]) -> SampleBlock:
    """Consecutive blocks of one chip as one."""
    import numpy as np

    return blocks[0]._replace(counts=np.concatenate([block.counts for block in blocks]))


def pieces(length: int) -> list[range]:
    """A table cut into blocks."""
    return [range(at, min(at + rm.BLOCK_DATA, length)) for at in range(0, length, rm.BLOCK_DATA)]
