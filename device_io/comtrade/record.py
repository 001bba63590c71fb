"""A COMTRADE record: who it is, which channels it has, and its samples in volts and amperes, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from device_io.comtrade.channels import NEUTRAL, VOLTAGES, Assignment, assign_channels
from device_io.comtrade.config import AnalogChannel, Config, parse_config
from device_io.comtrade.data import SampleData, open_data
from device_io.comtrade.errors import FileError
from device_io.comtrade.files import find_config, find_data
from device_io.comtrade.timebase import Span, choose_span
from device_io.source import ChannelInfo, ChipInfo, ModuleInfo
from resources.systems import WiringSystem, channels_of

_NEUTRAL_TEST_S = 0.2
_NEUTRAL_TOLERANCE = 0.1
_PROBED_SAMPLES = 1000
_MOST_IN_16_BITS = 2.0**15 - 1
"""-2^15 marks a missing sample."""
_WIDEST_CONVERTER = 2.0**24 - 1
"""Largest count of a converter (24 bits, unsigned): a range beyond it is that of the number format."""


class ComtradeRecord:
    """An open record. Close it, or use it in a `with` statement.

    rate_hz, samples: of the section that is read; samples that are missing in it count.
    start_utc_ns: its first sample, UTC (0 where the record states no time).
    line_frequency_hz: as the record states it, None where it does not.
    analog: all channels of the file; assigned: {key: channel} of those that are measured, in key order. Where there are
    only voltages between lines V1 to V3 are made of them: assigned tells those from L1 to L2, L2 to L3, L3 to L1.
    notes: sentences on what was left out or assumed.
    """

    def __init__(
        self,
        path: Path,
        config: Config,
        data: SampleData,
        span: Span,
        assigned: Mapping[str, AnalogChannel],
        system: WiringSystem,
        notes: Sequence[str],
        full_scales: Mapping[str, float],
        between: bool,
    ) -> None:
        self.path = path
        self.station = config.station
        self.analog = config.analog
        self.line_frequency_hz = config.line_frequency_hz
        self.rate_hz = span.rate_hz
        self.samples = span.samples
        self.start_utc_ns = (config.start_utc_ns or 0) + round(span.start_s * 1e9)
        self.assigned = dict(assigned)
        self.system = system
        self.notes = tuple(notes)
        self._config, self._data, self._span = config, data, span
        self._full_scales, self._between = full_scales, between

    def blocks(self, samples_per_block: int = 65536) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(index of the first sample, float64 [n, channels of `assigned` in order] in V and A, NaN where missing), at
        most so many samples a time; an index beyond the end of the block before is a gap. FileError where the data
        turns out damaged."""
        channels = tuple(self.assigned.values())
        scale = np.array([channel.scale for channel in channels])
        offset = np.array([channel.offset for channel in channels])
        columns = [channel.index for channel in channels]
        for first, samples in self._span.blocks(self._data, columns, samples_per_block):
            with np.errstate(over="ignore", invalid="ignore"):
                samples *= scale
                samples += offset
                if self._between:  # to the voltages against the star point: their sum is 0
                    lines = samples[:, :3]
                    samples[:, :3] = (lines - np.roll(lines, 1, axis=1)) / 3.0
            yield first, samples

    @property
    def info(self) -> ModuleInfo:
        """The record as a source: one chip with a flat response. unit_per_count is the step of the samples."""
        channels = tuple(
            ChannelInfo(key, "A" if key.startswith("I") else "V", abs(channel.scale), self._full_scales[key])
            for key, channel in self.assigned.items()
        )
        chip = ChipInfo(nominal_rate_hz=self.rate_hz, channels=channels, shift=0)
        return ModuleInfo(
            eui=None,
            type="COMTRADE",
            system=self.system,
            firmware="",
            chips=(chip,),
            capabilities=frozenset({"waveform-stream"}),
            name=self.station or self.path.stem,
        )

    def close(self) -> None:
        """Let go of the files. May be called twice."""
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_comtrade(
    path: str | Path,
    mapping: Mapping[str, str] | None = None,
    *,
    system: WiringSystem | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> ComtradeRecord:
    """Open the record that a .cfg, .dat or .cff file belongs to.

    mapping: {V1 V2 V3 I1 I2 I3 IN: channel name or number}, for what is not recognised. system: measure only its
    channels; without it, the one that the channels make up. stopped: asked every now and then, also while blocks are
    read; once it says so, reading ends with ReadingStopped.
    FileError where it is no record, is cut or damaged, or where it stays open which channels are meant.
    """
    config_file = find_config(path)
    config = parse_config(config_file.text, config_file.path.name)
    place = find_data(config_file)
    assignment = assign_channels(config.analog, mapping)
    data: SampleData | None = None
    try:
        data = open_data(place, config, stopped)
        span = choose_span(config, data, place.path.name)
        notes = [*config.notes, *span.notes, *assignment.notes]
        assigned = dict(assignment.assigned)
        if assignment.fourth_current is not None:
            if _carries_neutral(assignment, data, span):
                assigned[NEUTRAL] = assignment.fourth_current
                notes.append(f"Channel {assignment.fourth_current.label} follows the sum of the phases: taken as IN.")
            else:
                notes.append(
                    f"Channel {assignment.fourth_current.label} is left out: it does not follow the sum of the "
                    "phase currents, so it is no neutral current (--channels IN=... takes it nevertheless)."
                )
        if assignment.between:
            system = _three_wires(assigned, system, notes)
        assigned, system = _fit_system(assigned, system)
        for key, channel in _without_samples(assigned, data, span):
            if key.startswith("V"):
                raise FileError(f"All samples are missing in channel {channel.label} ({key}): nothing can be measured.")
            notes.append(f"Channel {channel.label} ({key}) is left out: all its samples are missing.")
            del assigned[key]
        notes += _channel_notes(assigned)
        full_scales = _full_scales(assigned, config.format, data, span)
        if assignment.between:
            full_scales |= dict.fromkeys(VOLTAGES, math.inf)
        return ComtradeRecord(
            config_file.path, config, data, span, assigned, system, notes, full_scales, assignment.between
        )
    except BaseException as fault:
        if data is not None:
            data.close()
        if isinstance(fault, OSError):
            raise FileError(f'"{place.path.name}" can\'t be read: {fault.strerror or fault}.') from None
        raise


def _three_wires(assigned: dict[str, AnalogChannel], system: WiringSystem | None, notes: list[str]) -> WiringSystem:
    """The system where voltages are known between lines only: without a neutral."""
    if system not in (None, "3P"):
        raise FileError(
            f"The wiring system {system} needs voltages against the neutral; the record holds only those of the lines. "
            "Leave --system out."
        )
    if assigned.pop(NEUTRAL, None) is not None:
        notes.append("The neutral current is left out: there are no voltages against a neutral.")
    return "3P"


def _fit_system(
    assigned: dict[str, AnalogChannel], system: WiringSystem | None
) -> tuple[dict[str, AnalogChannel], WiringSystem]:
    """The channels of `system`, or the system of the channels."""
    if system is None:
        three = "V3" in assigned
        if NEUTRAL in assigned:
            system = "3P+N" if three else "1P+N"
        else:
            system = "3P" if three else "1P"
    wanted = channels_of(system)
    missing = [key for key in wanted if key.startswith("V") and key not in assigned]
    if missing:
        raise FileError(
            f"The wiring system {system} needs {', '.join(missing)}, which the record does not have. "
            "Name the channels with --channels V1=NAME,... or choose another system."
        )
    return {key: assigned[key] for key in wanted if key in assigned}, system


def _carries_neutral(assignment: Assignment, data: SampleData, span: Span) -> bool:
    """Whether a fourth current is plus or minus the sum of the phases, mean values apart, in the first 0.2 s."""
    fourth = assignment.fourth_current
    phases = [assignment.assigned.get(f"I{p}") for p in "123"]
    if fourth is None or None in phases:
        return False
    channels = [channel for channel in (*phases, fourth) if channel is not None]
    count = max(int(_NEUTRAL_TEST_S * span.rate_hz), 16)
    first = next(span.blocks(data, [channel.index for channel in channels], count), None)
    if first is None:
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        amperes = first[1] * [channel.scale for channel in channels]
        amperes = amperes[np.isfinite(amperes).all(axis=1)]
        if len(amperes) < 16:
            return False
        amperes -= amperes.mean(axis=0)
        total, neutral = amperes[:, :3].sum(axis=1), amperes[:, 3]
        size = float(np.sqrt(np.mean(neutral**2)))
        error = min(float(np.sqrt(np.mean((total + sign * neutral) ** 2))) for sign in (1, -1))
    return size > 0 and error <= _NEUTRAL_TOLERANCE * size


def _without_samples(
    assigned: Mapping[str, AnalogChannel], data: SampleData, span: Span
) -> Iterator[tuple[str, AnalogChannel]]:
    """Channels whose samples are missing from the first to the last, where others have some; the record is read to
    its end only while there may be one."""
    found = dict.fromkeys(assigned, False)
    columns = [channel.index for channel in assigned.values()]
    for rows in data.rows(columns, span.start, span.stop, _PROBED_SAMPLES):
        for key, samples in zip(assigned, rows.samples.T, strict=True):
            found[key] = found[key] or bool(np.isfinite(samples).any())
        if all(found.values()):
            return
    if any(found.values()):
        yield from [(key, assigned[key]) for key, there in found.items() if not there]


def _channel_notes(assigned: Mapping[str, AnalogChannel]) -> Iterator[str]:
    for key, channel in assigned.items():
        if channel.unit is None:
            unit = "A" if key.startswith("I") else "V"
            yield f"Channel {channel.label} ({key}) states no known unit: its values are taken as {unit}."
    skews = [channel.skew_us for channel in assigned.values() if math.isfinite(channel.skew_us)]
    if skews and max(skews) != min(skews):
        yield (
            f"The channels were sampled up to {max(skews) - min(skews):g} us apart (skew); angles between them "
            "are not corrected for it."
        )


def _full_scales(
    assigned: Mapping[str, AnalogChannel], file_format: str, data: SampleData, span: Span
) -> dict[str, float]:
    """{key: largest magnitude (V or A) that its converter can tell}; infinite where the stated range is no converter's.

    Many recorders state the range of the record, of the number format or of nothing at all instead: it counts as a
    converter's when it ends at 2^k - 1 and the first samples are whole numbers within it. BINARY holds 16 bits, however
    much wider the stated range is.
    """
    full_scales = dict.fromkeys(assigned, math.inf)
    if file_format == "BINARY":
        assigned = {key: _within_16_bits(channel) for key, channel in assigned.items()}
    ranged = {key: channel for key, channel in assigned.items() if _may_be_converter(channel)}
    if not ranged or file_format == "FLOAT32":
        return full_scales
    columns = [channel.index for channel in ranged.values()]
    first = next(data.rows(columns, span.start, span.stop, _PROBED_SAMPLES), None)
    if first is None:
        return full_scales
    for (key, channel), samples in zip(ranged.items(), first.samples.T, strict=True):
        known = samples[np.isfinite(samples)]
        # One count beyond either end: -2^k belongs to the converter too.
        if ((known == np.rint(known)) & (known >= channel.low - 1) & (known <= channel.high + 1)).all():
            least, most = sorted(abs(channel.scale * edge + channel.offset) for edge in (channel.low, channel.high))
            # -2^k lies one count beyond 2^k - 1: either end counts.
            full_scales[key] = least if most - least <= 1.5 * abs(channel.scale) else most
    return full_scales


def _within_16_bits(channel: AnalogChannel) -> AnalogChannel:
    wider = channel.low <= -_MOST_IN_16_BITS and channel.high >= _MOST_IN_16_BITS
    return replace(channel, low=-_MOST_IN_16_BITS, high=_MOST_IN_16_BITS) if wider else channel


def _may_be_converter(channel: AnalogChannel) -> bool:
    high = channel.high
    if not (math.isfinite(channel.low) and 255 <= high <= _WIDEST_CONVERTER and high.is_integer()):
        return False
    return math.log2(high + 1).is_integer()
