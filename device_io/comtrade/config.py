"""Reads the configuration (.cfg) of a COMTRADE record: IEEE C37.111-1991, -1999 and -2013 (IEC 60255-24).

The `comtrade` package does the reading. Before it, the lines are counted (so that a wild channel count costs nothing)
and fields that makers leave blank get the standard's neutral value; time stamps are read here, because the package
refuses one without a fraction and cuts nanoseconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from comtrade import Cfg

from device_io.comtrade.errors import FileError
from device_io.comtrade.units import parse_unit

FORMATS = ("ASCII", "BINARY", "BINARY32", "FLOAT32")

_MAX_SAMPLES = 2**48
_COUNTS = re.compile(r"^\s*\d+\s*,\s*(\d{1,9})\s*A\s*(?:,\s*(\d{1,9})\s*D\s*)?(?:,.*)?$", re.I)
_DATE = re.compile(r"^(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})$")
_TIME = re.compile(r"^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:[.,](\d{1,12}))?$")
_ZONE = re.compile(r"^([+-]?)(\d{1,2})(?:h(\d{1,2}))?$", re.I)
_ANALOG_DEFAULTS = ("", "", "", "", "", "", "0", "0", "0", "0", "1", "1", "P")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class AnalogChannel:
    """One analog channel.

    index: position in the file from 0; number: the one the file gives it.
    unit: "V", "A" or None for anything else; unit_text: as written.
    scale, offset: primary volts or amperes = scale * sample + offset (as written where the unit is neither).
    low, high: range of the samples that the file states.
    """

    index: int
    number: int
    name: str
    phase: str
    component: str
    unit: str | None
    unit_text: str
    scale: float
    offset: float
    skew_us: float
    low: float
    high: float

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.number} {self.name or '(no name)'} [{self.unit_text or 'no unit'}]"


@dataclass(frozen=True)
class Section:
    """Samples up to sample number `end` (counted from 1) at one rate; rate_hz 0: only time stamps tell."""

    rate_hz: float
    end: int


@dataclass(frozen=True)
class Config:
    """What a .cfg says. time_unit_s: unit of the time stamps in the .dat. start_utc_ns: None where it states none."""

    station: str
    device: str
    revision: int
    analog: tuple[AnalogChannel, ...]
    status_count: int
    line_frequency_hz: float | None
    sections: tuple[Section, ...]
    start_utc_ns: int | None
    time_unit_s: float
    format: str
    notes: tuple[str, ...]


def parse_config(text: str, name: str) -> Config:
    """The configuration in `text`, of the file called `name`. FileError where it is none or contradicts itself."""
    lines = [_printable(line) for line in re.split(r"\r\n|\n|\r", text)]
    while lines and not lines[-1]:
        lines.pop()
    counts = _COUNTS.match(lines[1]) if len(lines) > 1 else None
    if counts is None:
        raise FileError(
            f'"{name}" is not a COMTRADE configuration: its second line does not state the channels (like "8,8A,0D").'
        )
    analog_count, status_count = int(counts[1]), int(counts[2] or 0)
    if analog_count == 0:
        raise FileError(f'"{name}" has no analog channels: there is nothing to measure.')
    try:
        return _parse(lines, analog_count, status_count, name)
    except FileError:
        raise
    except IndexError:
        raise FileError(
            f'"{name}" ends after {len(lines)} lines, too early for its {analog_count} analog and {status_count} '
            "status channels: it is cut or not a COMTRADE configuration."
        ) from None
    except Exception as fault:  # whatever the package meets in a damaged file
        raise FileError(f'"{name}" is damaged or not a COMTRADE configuration: {fault}.') from None


def _parse(lines: Sequence[str], analog_count: int, status_count: int, name: str) -> Config:
    station, device, revision = _first_line(lines[0])
    after = 2 + analog_count + status_count
    rate_count = int(lines[after + 1].split(",")[0])
    stamps_at = after + 2 + max(rate_count, 1)
    start, ending = lines[stamps_at], lines[stamps_at + 1]
    file_format = lines[stamps_at + 2].split(",")[0].strip().upper()
    if file_format not in FORMATS:
        raise FileError(f'"{name}" states the data format "{file_format}"; {", ".join(FORMATS)} can be read.')
    multiplier = lines[stamps_at + 3] if revision >= 1999 and len(lines) > stamps_at + 3 else ""
    codes = lines[stamps_at + 4] if revision >= 2013 and len(lines) > stamps_at + 4 else ""

    package = Cfg(ignore_warnings=True)
    package.read(
        "\n".join(
            [
                f"{station},{device},{1999 if revision >= 1999 else 1991}",
                f"{analog_count},{analog_count}A,0D",
                *(_fill(lines[2 + k], k) for k in range(analog_count)),
                lines[after].split(",")[0] or "0",
                str(rate_count),
                *(_rate_line(line) for line in lines[after + 2 : stamps_at]),
                "01/01/1970,00:00:00.000000",
                "01/01/1970,00:00:00.000000",
                file_format,
                multiplier.split(",")[0],
            ]
        )
    )
    notes: list[str] = []
    nanoseconds = any(_fraction_digits(stamp) > 6 for stamp in (start, ending))
    return Config(
        station=station,
        device=device,
        revision=revision,
        analog=tuple(_channel(index, channel, name) for index, channel in enumerate(package.analog_channels)),
        status_count=status_count,
        line_frequency_hz=package.frequency if 0 < package.frequency < math.inf else None,
        sections=_sections(package.sample_rates, name),
        start_utc_ns=_start_utc_ns(start, revision, codes, notes),
        time_unit_s=package.timemult * (1e-9 if nanoseconds else 1e-6),
        format=file_format,
        notes=tuple(notes),
    )


def _printable(line: str) -> str:
    """Without control characters: an end-of-file mark (0x1A), or what would steer a terminal."""
    return "".join(letter for letter in line.replace("\t", " ") if letter.isprintable()).strip()


def _first_line(line: str) -> tuple[str, str, int]:
    fields = [field.strip() for field in line.split(",")]
    revision = 1991
    if len(fields) > 2 and re.fullmatch(r"\d{4}", fields[-1]):
        year = int(fields.pop())
        revision = 1991 if year < 1999 else 1999 if year < 2013 else 2013
    station = fields[0]
    return station, " ".join(fields[1:]), revision


def _fill(line: str, index: int) -> str:
    """An analog channel's line with all its 13 fields, blank ones as the standard's neutral value."""
    fields = [field.strip() for field in line.split(",")][:13]
    if len(fields) < 7:
        raise FileError(
            f"Line {3 + index} of the .cfg file does not describe an analog channel: it has {len(fields)} fields."
        )
    fields += [""] * (13 - len(fields))
    fields[0] = fields[0] or str(index + 1)
    return ",".join(field or default for field, default in zip(fields, _ANALOG_DEFAULTS, strict=True))


def _rate_line(line: str) -> str:
    rate, end = [*line.split(","), ""][:2]
    return f"{rate},{int(float(end))}"


def _channel(index: int, channel: Any, name: str) -> AnalogChannel:
    """From the package's channel; the values of one marked as secondary are brought to primary."""
    a, b, primary, secondary = (float(value) for value in (channel.a, channel.b, channel.primary, channel.secondary))
    if not all(map(math.isfinite, (a, b, primary, secondary))):
        raise FileError(f'"{name}" is damaged: the scale of channel {channel.n} is not a number.')
    unit, factor = parse_unit(channel.uu)
    if channel.pors.upper() == "S" and primary > 0 and secondary > 0:
        factor *= primary / secondary
    return AnalogChannel(
        index=index,
        number=int(channel.n),
        name=channel.name,
        phase=channel.ph,
        component=channel.ccbm,
        unit=unit,
        unit_text=channel.uu,
        scale=a * factor,
        offset=b * factor,
        skew_us=float(channel.skew),
        low=float(channel.cmin),
        high=float(channel.cmax),
    )


def _sections(rates: Sequence[Sequence[float]], name: str) -> tuple[Section, ...]:
    sections = tuple(Section(float(rate), int(end)) for rate, end in rates)
    ends = [0, *(section.end for section in sections)]
    if any(later <= earlier for earlier, later in pairwise(ends)) or ends[-1] > _MAX_SAMPLES:
        raise FileError(f'"{name}" is damaged: the sample numbers at which its rates end do not rise from 1.')
    if not all(0 <= section.rate_hz < 1e10 for section in sections):
        raise FileError(f'"{name}" is damaged: it states a sample rate that can\'t be.')
    return sections


def _fraction_digits(stamp: str) -> int:
    return len(stamp.partition(".")[2].strip())


def _start_utc_ns(stamp: str, revision: int, codes: str, notes: list[str]) -> int | None:
    """UTC of the first sample. 1999 knows no time zone, 2013 states that of its stamps: +9, -5h30, 0 or x."""
    local_ns = _stamp_ns(stamp, revision)
    if local_ns is None:
        notes.append("The record states no valid start time: its times count from 1970-01-01.")
        return None
    zone = _ZONE.match(codes.split(",")[0].strip())
    if zone is None or int(zone[2]) > 14:
        notes.append("The record states no time zone: its times are taken as UTC.")
        return local_ns
    shift_min = int(zone[2]) * 60 + int(zone[3] or 0)
    return local_ns - (-1 if zone[1] == "-" else 1) * shift_min * 60 * 1_000_000_000


def _stamp_ns(stamp: str, revision: int) -> int | None:
    """Nanoseconds since 1970 of "dd/mm/yyyy,hh:mm:ss.ssssss" (1991: mm/dd/yy). A day and month that are only valid
    the other way round are taken so."""
    date_text, _, time_text = stamp.partition(",")
    date, time = _DATE.match(date_text.strip()), _TIME.match(time_text.strip())
    if date is None or time is None:
        return None
    first, second, year = int(date[1]), int(date[2]), int(date[3])
    if len(date[3]) == 2:
        year += 1900 if year >= 70 else 2000
    day, month = (second, first) if revision == 1991 else (first, second)
    if month > 12:
        day, month = month, day
    if not 1900 <= year <= 2200:
        return None
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
        seconds = (midnight - _EPOCH) // timedelta(seconds=1)
    except ValueError:
        return None
    seconds += int(time[1]) * 3600 + int(time[2]) * 60 + int(time[3])
    return seconds * 1_000_000_000 + int((time[4] or "0").ljust(9, "0")[:9])
