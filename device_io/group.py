"""Three single-phase modules as one three-phase source: their blocks on one clock, as far as their clocks allow."""

from __future__ import annotations

import math
import statistics
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
_RATE_US = 500_000
"""Reports over a shorter time tell nothing of a clock's rate."""
_LONE_US = 2_500_000
"""A module whose last report is so old makes no more of them."""
_CRYSTAL = 5e-5
"""How far crystals are off (standard deviation), where nothing tells."""
_SETTLE_NS = 1_500_000_000
"""A module that reports the time does so within this; until then nothing is delivered."""
_SPAN_NS = 10_000_000_000
_TOLERATED_US = 1000.0
_SLEW = 1e-4
"""Of the time that goes by: 5 mHz of 50 Hz, while an offset is made good."""
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
    """From a member's own clock to UTC (us): by what it reports, else by the times of arrival.

    Reports: a straight line through the last of them, whose slope leaves that of the member's own clock only as far as
    the reports, each with its own error, tell more than what is known of crystals beforehand.

    What arrives is late by a delay that changes from block to block. Its least values tell the offset, which is then
    kept, and follows the drift of the two clocks so slowly that no sample rate suffers.
    """

    def __init__(self) -> None:
        self._reports: deque[ClockReport] = deque(maxlen=_REPORTS)
        self._began_ns: int | None = None
        self._span_ns = 0  # when the present span of looking for the least delay began
        self._least_us = self._least_before_us = math.inf  # arrival minus own time, in this span and the last
        self._offset_us = math.inf
        self._heard_us = 0  # own time of the newest block
        self._centre_us = self._at_centre_us = self._excess = self._excess_error = 0.0
        self._base_us = 0

    @property
    def reports(self) -> bool:
        """Whether it reports what time it is."""
        return bool(self._reports)

    @property
    def uncertainty_us(self) -> float:
        """How far off (95 %) the time of the newest block may be; infinite while too little is known."""
        if not self._reports:
            return UNTOLD_US if math.isfinite(self._offset_us) else math.inf
        first_us, last_us = self._reports[0].device_time_us, self._reports[-1].device_time_us
        if last_us - first_us < _RATE_US and self._heard_us - last_us < _LONE_US:
            return math.inf
        away_us = max(self._heard_us, last_us) - self._centre_us
        return math.hypot(self._reports[-1].uncertainty_us, 2.0 * away_us * self._excess_error)

    def report(self, report: ClockReport) -> None:
        if self._reports and report.device_time_us <= self._reports[-1].device_time_us:
            return
        self._reports.append(report)
        # Small numbers: microseconds since 1970 fill a float to its last digit.
        last_us = report.device_time_us
        self._base_us = report.utc_us - last_us
        times_us = [one.device_time_us - last_us for one in self._reports]
        ahead_us = [one.utc_us - one.device_time_us - self._base_us for one in self._reports]
        middle_us, mean_us = statistics.fmean(times_us), statistics.fmean(ahead_us)
        away_us = [time_us - middle_us for time_us in times_us]
        variance = max(0.5 * report.uncertainty_us, 0.5) ** 2
        weight = sum(away * away for away in away_us) + variance / _CRYSTAL**2
        self._excess = sum(away * ahead for away, ahead in zip(away_us, ahead_us, strict=True)) / weight
        self._excess_error = math.sqrt(variance / weight)
        self._centre_us, self._at_centre_us = last_us + middle_us, mean_us

    def arrived(self, block: SampleBlock) -> None:
        before_us, self._heard_us = self._heard_us, block.device_time_us
        if self._reports:
            return
        now_ns = block.host_time_ns
        if self._began_ns is None:
            self._began_ns = self._span_ns = now_ns
        if now_ns - self._span_ns > _SPAN_NS:
            self._span_ns, self._least_before_us, self._least_us = now_ns, self._least_us, math.inf
        length_us = len(block.counts) / block.rate_hz * 1e6
        self._least_us = min(self._least_us, now_ns / 1000.0 - length_us - block.device_time_us)
        least_us = min(self._least_us, self._least_before_us)
        if math.isinf(self._offset_us):
            if now_ns - self._began_ns >= _SETTLE_NS:
                self._offset_us = least_us
        elif abs(least_us - self._offset_us) > _TOLERATED_US:
            step_us = _SLEW * max(0.0, block.device_time_us - before_us)
            self._offset_us += math.copysign(min(step_us, _TOLERATED_US), least_us - self._offset_us)

    def utc_us(self, device_time_us: float) -> float:
        if not self._reports:
            return device_time_us + self._offset_us
        ahead_us = self._at_centre_us + (device_time_us - self._centre_us) * self._excess
        return device_time_us + self._base_us + ahead_us


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
            self._group.take_report(self, state.clock)
        self._group.member_changed()

    def on_text(self, line: str) -> None:
        """Log text of one of three is no help here."""


class GroupSource:
    """A `Source` of three modules with one voltage each: the first measures L1, the second L2, the third L3.

    members: their links, not yet started. Blocks begin when all three have told who they are and, twice, what time it
    is; 1.5 s after the first ones of a member that does not report its time. One that restarts, or begins to report
    later, begins a new group (another boot_id).
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
        self._begun_anew = 0
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

    def take_report(self, member: _Member, report: ClockReport) -> None:
        """What a member says of its clock. From the first report on its time is another one: a new group begins."""
        with self._lock:
            anew = self._origin_us is not None and not member.clock.reports
            member.clock.report(report)
            if anew:
                self._begun_anew += 1
                self._told = ()
        if anew:
            self.member_identified()

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
            boot_id=hash((self._told, self._begun_anew)) & 0xFFFFFFFF,
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
