"""Three single-phase modules as one three-phase source: their blocks on one clock, as far as their clocks allow."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Sequence

from device_io import virtual_module
from device_io.source import (
    ChannelInfo,
    ClockReport,
    LinkCounters,
    LinkError,
    LinkErrorKind,
    LinkPhase,
    LinkState,
    ModuleInfo,
    Readings,
    SampleBlock,
    Sink,
    Source,
)
from resources.systems import WiringSystem

UNTOLD_US = 5000.0
"""How far apart the clocks may be when only the times of arrival tell: the delays of links and systems."""
_REPORTS = 8
_MEMBERS = 3
_WORST = (
    LinkPhase.FAILED,
    LinkPhase.LOST,
    LinkPhase.CLOSED,
    LinkPhase.OPENING,
    LinkPhase.CONNECTED,
    LinkPhase.STREAMING,
)


class _MemberClock:
    """From a member's own clock to UTC (us)."""

    def __init__(self) -> None:
        self._reports: deque[ClockReport] = deque(maxlen=_REPORTS)
        self._least_us = math.inf  # arrival minus own time: what came with the least delay
        self.uncertainty_us = math.inf

    def report(self, report: ClockReport) -> None:
        if not self._reports or report.device_time_us > self._reports[-1].device_time_us:
            self._reports.append(report)
            self.uncertainty_us = report.uncertainty_us

    def arrived(self, block: SampleBlock) -> None:
        length_us = len(block.counts) / block.rate_hz * 1e6
        self._least_us = min(self._least_us, block.host_time_ns / 1000.0 - length_us - block.device_time_us)
        if not self._reports:
            self.uncertainty_us = UNTOLD_US

    def utc_us(self, device_time_us: float) -> float:
        if not self._reports:
            return device_time_us + self._least_us
        first, last = self._reports[0], self._reports[-1]
        span_us = last.device_time_us - first.device_time_us
        speed = (last.utc_us - first.utc_us) / span_us if span_us > 0 else 1.0
        return last.utc_us + (device_time_us - last.device_time_us) * speed


class _Member:
    """Hears one module on its link's thread and hands what it tells to the group."""

    def __init__(self, group: GroupSource, number: int) -> None:
        self._group = group
        self._number = number
        self.info: ModuleInfo | None = None
        self.state: LinkState | None = None
        self.clock = _MemberClock()

    def on_identity(self, info: ModuleInfo) -> None:
        if self.info is not None and self.info.boot_id != info.boot_id:
            self.clock = _MemberClock()
        self.info = info
        self._group.member_identified()

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        self._group.take_blocks(self, self._number, blocks)

    def on_readings(self, readings: Readings) -> None:
        """Each module's own are of its own phase; the group measures."""

    def on_state(self, state: LinkState) -> None:
        self.state = state
        if state.clock is not None:
            self.clock.report(state.clock)
        self._group.member_changed()

    def on_text(self, line: str) -> None:
        """Log text of one of three is no help here."""


class GroupSource:
    """A `Source` of three modules with one voltage each: the first measures L1, the second L2, the third L3.

    members: their links, not yet started. Blocks begin when all three have told who they are and, where clocks are
    told, what time it is. A member that restarts begins a new group (another boot_id).
    """

    def __init__(self, members: Sequence[Source], name: str = "Group") -> None:
        """:raises LinkError: (REFUSED) for another number of members than three."""
        if len(members) != _MEMBERS:
            raise LinkError(LinkErrorKind.REFUSED, "A group has three single-phase modules: one for each phase.")
        self._sources = tuple(members)
        self._name = name
        self._members = tuple(_Member(self, number) for number in range(_MEMBERS))
        self._lock = threading.RLock()
        self._sink: Sink | None = None
        self._told: tuple[int, ...] = ()
        self._origin_us: float | None = None
        self._error: LinkError | None = None

    @property
    def uncertainty_us(self) -> float:
        """How far apart two of the clocks may be (95 %); infinite while nothing is known."""
        return math.sqrt(2.0) * max(member.clock.uncertainty_us for member in self._members)

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Returns at once; failures arrive as a state."""
        self._sink = sink
        for source, member in zip(self._sources, self._members, strict=True):
            source.start(member)

    def stop(self) -> None:
        """End all three, each within 2 s."""
        enders = [threading.Thread(target=source.stop, name="end of a member") for source in self._sources]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join(2.5)
        with self._lock:
            self._sink = None

    # What members tell, each on its own thread

    def member_identified(self) -> None:
        """Tell the group's identity when all three are there, or one of them has restarted."""
        with self._lock:
            infos = [member.info for member in self._members]
            known = [info for info in infos if info is not None]
            if len(known) < _MEMBERS or self._sink is None:
                return
            boots = tuple(info.boot_id for info in known)
            if boots == self._told:
                return
            self._error = self._problem(known)
            if self._error is None:
                self._told, self._origin_us = boots, None
                self._sink.on_identity(self._info(known))
        self.member_changed()

    def take_blocks(self, member: _Member, number: int, blocks: list[SampleBlock]) -> None:
        """Put a member's blocks on the group's clock and hand them on."""
        with self._lock:
            for block in blocks:
                member.clock.arrived(block)
            sink = self._sink
            if sink is None or not self._told or not all(math.isfinite(m.clock.uncertainty_us) for m in self._members):
                return
            moved = []
            keep = _kept(member.info, number)
            for block in blocks:
                utc_us = member.clock.utc_us(block.device_time_us)
                if self._origin_us is None:
                    self._origin_us = utc_us - 1e6  # the others may be a little behind
                time_us = round(utc_us - self._origin_us)
                if block.chip == 0 and time_us >= 0:
                    moved.append(block._replace(chip=number, device_time_us=time_us, counts=block.counts[:, keep]))
            if moved:
                sink.on_blocks(moved)

    def member_changed(self) -> None:
        """Tell the state of the group: the worst of its members'."""
        with self._lock:
            states = [member.state for member in self._members if member.state is not None]
            if self._sink is None or not states:
                return
            worst = min(states, key=lambda state: _WORST.index(state.phase))
            error = self._error or worst.error
            phase = LinkPhase.FAILED if self._error is not None else worst.phase
            if len(states) < _MEMBERS and phase is LinkPhase.STREAMING:
                phase = LinkPhase.OPENING
            counters = LinkCounters(
                *(sum(values) for values in zip(*(state.counters for state in states), strict=True))
            )
            url = " ".join(state.url for state in states)
            self._sink.on_state(LinkState(phase, url, error, worst.baud, counters))

    def _problem(self, infos: Sequence[ModuleInfo]) -> LinkError | None:
        for info in infos:
            if not info.system.startswith("1P") or not info.chips:
                name = info.name or info.eui or "One of them"
                text = f"{name} measures {info.system}: a group is made of single-phase modules that send waveforms."
                return LinkError(LinkErrorKind.REFUSED, text)
        if len({info.eui for info in infos}) < _MEMBERS:
            return LinkError(
                LinkErrorKind.REFUSED, "The same module stands twice in the group. Choose three different ones."
            )
        return None

    def _info(self, infos: Sequence[ModuleInfo]) -> ModuleInfo:
        system: WiringSystem = "3P+N" if infos[0].system == "1P+N" else "3P"
        chips = []
        for number, info in enumerate(infos, 1):
            channels = info.chips[0].channels
            kept = tuple(_renamed(channels[column], number) for column in _kept(info, number - 1))
            chips.append(info.chips[0]._replace(channels=kept))
        return ModuleInfo(
            eui=None,
            type="group",
            system=system,
            firmware=_firmware(infos),
            chips=tuple(chips),
            capabilities=frozenset({"waveform-stream"}),
            boot_id=hash(self._told) & 0xFFFFFFFF,
            name=self._name,
        )


def _firmware(infos: Sequence[ModuleInfo]) -> str:
    """That of the first member. A group that is virtual in part says so: its EUI, which would tell, is None."""
    virtual = any((info.eui or "").startswith(virtual_module.EUIS) for info in infos)
    firmware = infos[0].firmware
    return f"virtual {firmware}" if virtual and not firmware.startswith("virtual") else firmware


def _kept(info: ModuleInfo | None, number: int) -> list[int]:
    """Columns of a member's chip that the group takes: the neutral's current of the first member alone."""
    channels = info.chips[0].channels if info is not None else ()
    return [column for column, channel in enumerate(channels) if channel.key != "IN" or number == 0]


def _renamed(channel: ChannelInfo, number: int) -> ChannelInfo:
    return channel if channel.key == "IN" else channel._replace(key=f"{channel.key[0]}{number}")
