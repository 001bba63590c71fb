"""Means of 10 minutes of the readings that a module computes itself, where its waveform does not come.

They are no aggregates of the standard: a reading is a sample of the time since the one before. What readings can't know
stays unknown, so that the mean of a cell is not made of zeros that nobody measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from app.declared_voltage import usual_voltage_v
from device_io.mqtt.plain_module import PLAIN_TYPE
from device_io.source import ModuleInfo
from dsp.accumulator import Accumulator, Layout
from dsp.aggregate import TEN_MINUTES_NS
from dsp.measurement import ORDERS, Measurement
from resources.event_thresholds import default_thresholds
from resources.parameters import keys_for
from resources.systems import WiringSystem, phases_of

LONGEST_S = 10.0
"""A reading stands for the time since the one before, and for so long at most: nobody knows what was before that."""
LEAST_SHARE = 0.9
"""Of the 10 minutes, that readings have to stand for: on a busy bus or over WiFi some are lost. If the rest differed by
a quarter from them, the mean would move by 3 %."""
LEAST_VOLTAGE = 0.05
"""Share of the usual voltage under which a phase has none."""
WHY = (
    "These are means of the module's own readings, since this link brings no waveform: what happens between two "
    "readings is not in them."
)
TOO_FEW = (
    f"Readings have to stand for {100 * LEAST_SHARE:.0f} % of the 10 minutes, without flags and one every "
    f"{LONGEST_S:.0f} s at least; these did not."
)
"""Why 10 minutes of readings are flagged "short"."""

_BLOCK = 64


@dataclass(frozen=True)
class MeanOfReadings(Measurement):
    """10 minutes that are made of readings."""


class ReadingsMeans:
    """Takes the readings of one module in order, as `app.readings_measurement` gives them; gives the 10 minutes of UTC
    that they complete. One that does not tell its wiring is single-phase where L2 and L3 have no voltage.

    Left out are readings with a flag, and those where a phase has no voltage. A voltage beyond the thresholds of dips
    and swells flags the 10 minutes. Unknown are orders beyond the band, and the harmonics of a channel whose THD reads
    0, or that come in whole percents only (cut, so that most read 0). The 10 minutes are flagged "short" where
    readings stand for less than LEAST_SHARE of them.
    """

    def __init__(self, info: ModuleInfo) -> None:
        self._is_plain = info.type == PLAIN_TYPE
        self._system = info.system
        self._ten: _TenMinutes | None = None
        self._last_ns = 0

    def add(self, reading: Measurement) -> list[MeanOfReadings]:
        """Take the next reading."""
        start_ns = (reading.end_ns - 1) // TEN_MINUTES_NS * TEN_MINUTES_NS
        was_set_back = reading.end_ns < self._last_ns
        system = self._system_of(reading)
        done: list[MeanOfReadings] = []
        ten = self._ten
        if ten is not None and (was_set_back or (start_ns, system) != (ten.start_ns, ten.system)):
            done = ten.results(is_over=start_ns > ten.start_ns)
            ten = None
        if ten is None:
            ten = self._ten = _TenMinutes(start_ns, system)
        from_ns = max(start_ns, self._last_ns, reading.end_ns - round(LONGEST_S * 1e9))
        ten.add(reading, max(0.0, (reading.end_ns - from_ns) * 1e-9))
        self._last_ns = reading.end_ns
        return done

    def finish(self) -> list[MeanOfReadings]:
        """The 10 minutes under way, as far as they came."""
        ten, self._ten = self._ten, None
        return [] if ten is None else ten.results(is_over=False)

    def _system_of(self, reading: Measurement) -> WiringSystem:
        if self._is_plain and not (reading.values.get("V2r") or reading.values.get("V3r")):
            return "1P"
        return self._system


class _TenMinutes:
    """10 minutes that are being made."""

    def __init__(self, start_ns: int, system: WiringSystem) -> None:
        self.start_ns, self.system = start_ns, system
        self._flags: set[str] = set()
        self._covered_s = 0.0
        self._sums = Accumulator(Layout(system))
        self._block: list[Measurement] = []
        self._fine: set[str] = set()
        self._last: Measurement | None = None

    def add(self, reading: Measurement, stands_for_s: float) -> None:
        """Take a reading."""
        volts = [reading.values.get(f"V{phase}r") or 0.0 for phase in phases_of(self.system)]
        usual_v = usual_voltage_v(max(volts))
        if usual_v is not None:
            self._flags.update(_crossed(volts, usual_v))
        if reading.flags or min(volts) <= LEAST_VOLTAGE * (usual_v or max(volts)):
            return
        values = {key: reading.values.get(key) for key in keys_for(self.system)}
        self._fine.update(channel for key, channel in _percents(self.system) if (values[key] or 0.0) % 1.0)
        values |= dict.fromkeys(_unknown(values, reading.band.indicative_to, self.system))
        self._covered_s += stands_for_s
        self._last = replace(reading, system=self.system, values=values, corrected={}, phasors={}, orders={})
        self._block.append(self._last)
        if len(self._block) >= _BLOCK:
            self._flush()

    def results(self, *, is_over: bool) -> list[MeanOfReadings]:
        """The mean; nothing where no reading counted. is_over: readings of the next 10 minutes have come."""
        self._flush()
        if self._last is None:
            return []
        share = min(self._covered_s * 1e9 / TEN_MINUTES_NS, 1.0)
        is_whole = is_over and share >= LEAST_SHARE
        end_ns = self.start_ns + TEN_MINUTES_NS if is_over else self._last.end_ns
        mean = self._sums.result(
            window="10min",
            end_ns=end_ns,
            start_s=self._last.end_s - (self._last.end_ns - self.start_ns) * 1e-9,
            end_s=self._last.end_s + (end_ns - self._last.end_ns) * 1e-9,
            flags=self._flags if is_whole else {*self._flags, "short"},
            extra={},
            completeness=1.0 if is_whole else share,
        )
        coarse = {key: None for key, channel in _percents(self.system) if channel not in self._fine}
        return [MeanOfReadings(**{**vars(mean), "values": {**mean.values, **coarse}})]

    def _flush(self) -> None:
        if self._block:
            self._sums.add(self._block)
        self._block = []


def _crossed(volts: list[float], usual_v: float) -> set[str]:
    """Flags of voltages beyond the thresholds."""
    limits = default_thresholds()
    is_crossed = {
        "dip": min(volts) < 0.01 * limits.dip_pct * usual_v,
        "swell": max(volts) > 0.01 * limits.swell_pct * usual_v,
    }
    return {flag for flag, crossed in is_crossed.items() if crossed}


def _unknown(values: Mapping[str, float | None], highest: int, system: WiringSystem) -> list[str]:
    """Keys that this reading can't know."""
    silent = {channel for key, channel in _percents(system) if key == f"TH{channel}" and values[key] == 0.0}
    return [key for key, channel in _percents(system) if channel in silent or _order(key) > highest]


@cache
def _percents(system: WiringSystem) -> tuple[tuple[str, str], ...]:
    """(key, channel) of all distortions and harmonics in %."""
    channels = [f"{letter}{phase}" for letter in "VI" for phase in phases_of(system)]
    distortions = [(f"TH{channel}", channel) for channel in channels]
    orders = [(f"{channel[1]}{channel[0]}{order}", channel) for channel in channels for order in range(2, ORDERS + 1)]
    return (*distortions, *orders)


@cache
def _order(key: str) -> int:
    return 0 if key.startswith("TH") else int(key[2:])
