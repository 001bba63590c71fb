"""One module on a bus: identity, readings, settings and snapshots by way of its registers.

Everything is read from protected blocks: each begins with its own address and the mark of the copy, which is another
one for every copy. A block with another address or mark is the answer to something else, and is asked for again.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from device_io.modbus import codec
from device_io.modbus.errors import BusError, DamagedReply, ExceptionReply, NoReply
from device_io.source import LinkError, LinkErrorKind, ModuleInfo, Readings, SampleBlock, Setting
from resources import register_map as rm
from resources.parameters import keys_for
from resources.settings import link_settings, modbus_settings

if TYPE_CHECKING:
    from device_io.modbus.client import Master

ATTEMPTS = 4
"""So often a request is sent before its unit counts as lost."""
COPIES = 3
"""So often a set is begun anew where its blocks do not belong together."""
SNAPSHOT_WAIT_S = 3.0
BLOCKS_A_STEP = 4
"""Blocks of a snapshot that are read before others get the bus."""
_BUSY_S = 0.05
"""Time that a busy unit is given; twice as much each further time."""
_UNKNOWN = (1, 2, 3)
"""Exceptions that say that a unit has no such function, register or value."""

Result = TypeVar("Result")
Steps = Generator[None, None, Result]
"""Work in steps; between two of them others may use the bus."""


class Stopped(Exception):
    """The owner has stopped the link."""


class Unit:
    """Requests to one unit. number: its address. stopped: asked before every request. name: of unit and port, for
    sentences. info, used: once identified, as `codec.decode_identity` gives them. restarted: whether its
    clock went back since. Counters only grow."""

    def __init__(self, master: Master, number: int, stopped: Callable[[], bool], name: str) -> None:
        self.master = master
        self.number = number
        self.name = name
        self._stopped = stopped
        self._mark = itertools.count(random.randrange(0x10000))
        self.used: list[int] = []
        self._keys: tuple[str, ...] = ()
        self.info: ModuleInfo | None = None
        self.restarted = False
        self._time_us = 0
        self._copy_us: int | None = None  # the time of the copy that is being read, once known
        self.bytes_received = self.frames_good = self.frames_damaged = 0
        self.repeated = 0

    def identify(self, attempts: int = ATTEMPTS) -> ModuleInfo:
        """Who it is. LinkError NOT_A_MODULE or NEWER_PROTOCOL, or what `_request` raises."""
        size = sum(field.registers for field in rm.IDENTITY)
        try:
            head, data = self._block(rm.IDENTITY_BLOCK, size, None, attempts)
        except ExceptionReply as error:
            raise self._refusal(error) from None
        except _Torn:
            raise self._no_module("its registers hold something else") from None
        if not codec.is_identity(data):
            raise self._no_module("its registers hold something else")
        if codec.identity_version(data) > rm.MAP_VERSION:
            raise LinkError(
                LinkErrorKind.NEWER_PROTOCOL,
                f"{self.name} speaks version {codec.identity_version(data)} of the register map, this program "
                f"{rm.MAP_VERSION}. Update this program.",
            )
        try:
            length = codec.table_registers(data)
            if length > (rm.READINGS_BLOCK - rm.CHANNELS_BLOCK) * rm.BLOCK_DATA:
                raise codec.CodecError("its table of channels is too long")
            channels: list[int] = []
            for n, at in enumerate(range(0, length, rm.BLOCK_DATA)):
                count = min(rm.BLOCK_DATA, length - at)
                channels += self._block(rm.CHANNELS_BLOCK + n, count, head.mark)[1]
            info, used = codec.decode_identity(data, channels)
        except (codec.CodecError, ExceptionReply, _Torn) as error:
            raise LinkError(
                LinkErrorKind.NOT_A_MODULE, f"{self.name} describes itself wrongly ({error}). Update its firmware."
            ) from None
        self.info, self.used, self._keys = info, used, keys_for(info.system)
        self._time_us, self.restarted = 0, False
        return info

    def readings(self) -> Readings:
        """The module's own readings, all of one moment."""

        def read(mark: int) -> Readings:
            values: dict[str, float | None] = {}
            time_us = 0
            for n, (count, run) in enumerate(zip(self.used, rm.readings_runs(), strict=True)):
                if count:
                    head, data = self._block(rm.READINGS_BLOCK + n, count, mark)
                    time_us = head.time_us
                    values |= codec.decode_readings(run.start, data, self._keys)
            return Readings(time_us, host_time_ns, values)

        host_time_ns = time.time_ns()
        result = self._of_one_copy(read)
        if result.device_time_us is not None:
            self.restarted |= result.device_time_us < self._time_us
            self._time_us = result.device_time_us
        return result

    def settings(self) -> dict[str, Setting]:
        """All settings, of one moment."""

        def read(mark: int) -> dict[str, Setting]:
            values: dict[str, Setting] = {}
            for n, run in enumerate(rm.settings_runs()):
                values |= codec.decode_settings(run.start, self._block(rm.SETTINGS_BLOCK + n, len(run), mark)[1])
            return {key: values[key] for key in modbus_settings()}

        try:
            return self._of_one_copy(read)
        except codec.CodecError as error:
            raise LinkError(
                LinkErrorKind.REFUSED, f"{self.name} tells its settings wrongly ({error}). Update its firmware."
            ) from None

    def write_settings(self, values: Mapping[str, Setting]) -> dict[str, Setting]:
        """Write settings, all or none, and read all of them back. A change of the bus's own settings can't be read back
        over this bus any more: then the result is what it was with the change in it."""
        writes = codec.settings_writes(values)
        before = self.settings()
        try:
            if len(writes) > 1:
                self._write(rm.STAGE, [rm.STAGE_BEGIN])
            for address, registers in writes:
                self._write(address, registers)
            if len(writes) > 1:
                self._apply(values, before)
        except ExceptionReply as error:
            raise LinkError(
                LinkErrorKind.REFUSED, f"{self.name} refuses the settings ({error}); none of them was changed."
            ) from None
        if any(key in values and values[key] != before[key] for key in link_settings("rs485")):
            shown = {key: value for key, value in values.items() if modbus_settings()[key].access == "rw"}
            return before | shown
        return self.settings()

    def snapshot(self) -> Steps[list[SampleBlock]]:
        """Take a snapshot of all channels and read it, in steps: a block a chip. LinkError (REFUSED) if it has none."""
        if self.info is None or "waveform-snapshot" not in self.info.capabilities:
            raise LinkError(LinkErrorKind.REFUSED, f"{self.name} takes no snapshots.")
        chips = self.info.chips
        for _ in range(COPIES):
            mark = self._begin_copy()
            try:
                self._write(rm.SNAPSHOT, [mark])
                host_time_ns = time.time_ns()
                deadline_s = time.monotonic() + SNAPSHOT_WAIT_S
                while (info := self._snapshot_info(mark, len(chips))).state != rm.SNAPSHOT_READY:
                    if info.state != rm.SNAPSHOT_BUSY or time.monotonic() > deadline_s:
                        raise LinkError(LinkErrorKind.REFUSED, f"{self.name} takes no snapshot now. Try again.")
                    yield
                length = codec.snapshot_registers(info, chips)
                registers: list[int] = []
                for n, at in enumerate(range(0, length, rm.BLOCK_DATA)):
                    count = min(rm.BLOCK_DATA, length - at)
                    registers += self._block(rm.SAMPLES_BLOCK + n, count, mark)[1]
                    if n % BLOCKS_A_STEP == BLOCKS_A_STEP - 1:
                        copy_us = self._copy_us
                        yield
                        self._copy_us = copy_us
            except _Torn:
                continue
            except ExceptionReply as error:
                raise LinkError(LinkErrorKind.REFUSED, f"{self.name} gives no snapshot ({error}).") from None
            except codec.CodecError as error:
                raise LinkError(
                    LinkErrorKind.REFUSED, f"{self.name} gives a snapshot that can't be used ({error})."
                ) from None
            return codec.decode_snapshot(info, registers, chips, host_time_ns)
        raise DamagedReply("the snapshot never held together")

    def _snapshot_info(self, mark: int, chips: int) -> codec.SnapshotInfo:
        count = sum(f.registers for f in rm.SNAPSHOT_FIELDS) + chips * sum(f.registers for f in rm.SNAPSHOT_CHIP)
        state = sum(field.registers for field in rm.SNAPSHOT_FIELDS)
        self._copy_us = None  # while it is being taken its time is not settled
        _, data = self._block(rm.SNAPSHOT_BLOCK, state, mark)
        if data[0] == rm.SNAPSHOT_READY:
            _, data = self._block(rm.SNAPSHOT_BLOCK, count, mark)
        return codec.decode_snapshot_info(data)

    def _of_one_copy(self, read: Callable[[int], Result]) -> Result:
        """Let the module copy its registers, and read the blocks of that copy."""
        for _ in range(COPIES):
            mark = self._begin_copy()
            try:
                self._write(rm.LATCH, [mark])
                return read(mark)
            except _Torn:
                continue
            except ExceptionReply as error:
                raise self._refusal(error) from None
        raise DamagedReply("the blocks never belonged together")

    def _apply(self, values: Mapping[str, Setting], before: Mapping[str, Setting]) -> None:
        """End a staged write. Where the reply is lost, what the settings are tells whether it was done."""
        try:
            self._request(lambda: self.master.write(self.number, rm.STAGE, [rm.STAGE_APPLY]), 1)
        except (NoReply, DamagedReply):
            if any(key in values and values[key] != before[key] for key in link_settings("rs485")):
                return
            now = self.settings()
            if any(now[key] != value for key, value in values.items() if modbus_settings()[key].access == "rw"):
                raise

    def _write(self, address: int, registers: Sequence[int]) -> None:
        self._request(lambda: self.master.write(self.number, address, registers))

    def _block(
        self, block: int, count: int, mark: int | None, attempts: int = ATTEMPTS
    ) -> tuple[codec.Header, list[int]]:
        """A protected block of a copy, of any one where mark is None. _Torn if it is of another one and stays so."""
        address = rm.block_address(block)
        for _ in range(ATTEMPTS):
            registers = self._request(
                lambda: self.master.read_input(self.number, address, rm.HEADER_REGISTERS + count), attempts
            )
            head, data = codec.split_header(registers)
            of_copy = mark is None or (head.mark == mark and self._copy_us in (None, head.time_us))
            if head.address == address and of_copy:
                self._copy_us = None if mark is None else head.time_us
                return head, data
            self.repeated += 1
            self.master.distrust()
            if head.address == address:
                break  # this block of another copy: the reply is an old one, or the module has begun anew
        raise _Torn

    def _request(self, ask: Callable[[], Result], attempts: int = ATTEMPTS) -> Result:
        """Ask, again where the reply is missing or damaged. The last failure is raised."""
        left = attempts
        self.master.stopped = self._stopped
        while True:
            if self._stopped():
                raise Stopped
            left -= 1
            try:
                result = ask()
            except ExceptionReply as error:
                self._count(good=True)
                if not error.is_busy or not left:
                    raise
                time.sleep(_BUSY_S * 2 ** (attempts - left - 1))
            except (NoReply, DamagedReply) as error:
                self._count(good=False)
                if isinstance(error, DamagedReply):
                    self.frames_damaged += 1
                if not left:
                    raise
            else:
                self._count(good=True)
                return result

    def _count(self, *, good: bool) -> None:
        self.bytes_received += len(self.master.received)
        self.frames_good += good

    def _begin_copy(self) -> int:
        self._copy_us = None
        return next(self._mark) & 0xFFFF

    def _refusal(self, error: ExceptionReply) -> LinkError:
        if error.code in _UNKNOWN:
            return self._no_module(f"it does not know the registers of one ({error})")
        return LinkError(LinkErrorKind.REFUSED, f"{self.name} can't answer now ({error}). Try again in a moment.")

    def _no_module(self, why: str) -> LinkError:
        return LinkError(
            LinkErrorKind.NOT_A_MODULE,
            f"{self.name} is a Modbus device, but no Sensix module: {why}. Check the address of the unit.",
        )


class _Torn(BusError):
    """Blocks that do not belong together."""
