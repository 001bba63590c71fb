"""Writes COMTRADE records for tests, from the standard's text alone: it shares nothing with the reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class FakeChannel:
    name: str
    unit: str
    values: np.ndarray  # in `unit`
    phase: str = ""
    component: str = ""
    a: float = 1.0
    b: float = 0.0
    skew_us: str = "0"
    low: str = "-32767"
    high: str = "32767"
    primary: str = "1"
    secondary: str = "1"
    ps: str = "P"
    missing: Sequence[int] = ()


@dataclass
class FakeRecord:
    channels: list[FakeChannel]
    format: str = "ASCII"
    revision: int = 1999
    rates: Sequence[tuple[float, int]] | None = None  # (rate_hz, end sample); None: rate_hz for all
    rate_hz: float = 4000.0
    status_count: int = 3
    frequency: str = "50"
    station: str = "Cellar"
    start: str = "18/11/2015,05:33:03.765333"
    trigger: str = "18/11/2015,05:33:03.790289"
    codes: Sequence[str] = ("0,0", "0,0")
    multiplier: str = "1"
    blank_stamps: bool = False
    stamps: Sequence[int] | None = None
    numbers: Sequence[int] | None = None
    newline: str = "\r\n"
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.channels[0].values)

    def config_lines(self) -> list[str]:
        first = f"{self.station},7650" + (f",{self.revision}" if self.revision >= 1999 else "")
        total = len(self.channels) + self.status_count
        lines = [first, f"{total},{len(self.channels)}A,{self.status_count}D"]
        for number, c in enumerate(self.channels, 1):
            fields = [str(number), c.name, c.phase, c.component, c.unit, repr(c.a), repr(c.b), c.skew_us, c.low, c.high]
            if self.revision >= 1999:
                fields += [c.primary, c.secondary, c.ps]
            lines.append(",".join(fields))
        for number in range(1, self.status_count + 1):
            lines.append(f"{number},Door {number},,,0" if self.revision >= 1999 else f"{number},Door {number},0")
        rates = self.rates if self.rates is not None else [(self.rate_hz, self.count)]
        timed = len(rates) == 1 and rates[0][0] == 0
        lines += [self.frequency, "0" if timed else str(len(rates))]
        lines += [f"{rate!r},{end}" for rate, end in rates]
        lines += [self.start, self.trigger, self.format]
        if self.revision >= 1999:
            lines.append(self.multiplier)
        if self.revision >= 2013:
            lines += list(self.codes)
        return lines

    def stored(self) -> list[list[float]]:
        """Samples as they are stored, channel by channel; None where missing."""
        columns = []
        for c in self.channels:
            raw = (np.asarray(c.values, float) - c.b) / c.a
            if self.format != "FLOAT32":
                raw = np.rint(raw)
            columns.append([None if k in c.missing else value for k, value in enumerate(raw.tolist())])
        return columns

    def data(self) -> bytes:
        columns = self.stored()
        numbers = self.numbers or range(1, self.count + 1)
        stamps = self.stamps or [round(k * 1e6 / (self.rate_hz or 1)) for k in range(self.count)]
        doors = [[(k // 7 + d) % 2 for d in range(self.status_count)] for k in range(self.count)]
        if self.format == "ASCII":
            blank = "" if self.revision < 1999 else "99999"
            rows = []
            for k, number in enumerate(numbers):
                analog = [blank if column[k] is None else str(int(column[k])) for column in columns]
                stamp = "" if self.blank_stamps else str(stamps[k])
                rows.append(",".join([str(number), stamp, *analog, *map(str, doors[k])]))
            return (self.newline.join(rows) + self.newline).encode()
        code, missing = {
            "BINARY": ("h", -0x8000),
            "BINARY32": ("i", -0x80000000),
            "FLOAT32": ("f", float("nan")),
        }[self.format]
        words = (self.status_count + 15) // 16
        out = []
        for k, number in enumerate(numbers):
            analog = [missing if column[k] is None else column[k] for column in columns]
            if code != "f":
                analog = [int(value) for value in analog]
            status = [0] * words
            for d, state in enumerate(doors[k]):
                status[d // 16] |= state << (d % 16)
            stamp = 0xFFFFFFFF if self.blank_stamps else stamps[k] & 0xFFFFFFFF
            out.append(struct.pack(f"<II{len(analog)}{code}{words}H", number, stamp, *analog, *status))
        return b"".join(out)

    def write(self, folder: Path, stem: str = "record", cfg: str = ".cfg", dat: str = ".dat") -> Path:
        """Write both files; returns the .cfg."""
        path = folder / (stem + cfg)
        path.write_bytes((self.newline.join(self.config_lines()) + self.newline).encode())
        (folder / (stem + dat)).write_bytes(self.data())
        return path

    def write_cff(self, folder: Path, stem: str = "record") -> Path:
        data = self.data()
        kind = self.format if self.format == "ASCII" else f"{self.format}: {len(data)}"
        parts = [
            "--- file type: CFG ---",
            *self.config_lines(),
            "--- file type: INF ---",
            "",
            "--- file type: HDR ---",
            "Recorded in a cellar",
            f"--- file type: DAT {kind} ---",
            "",
        ]
        path = folder / f"{stem}.cff"
        path.write_bytes(self.newline.join(parts).encode() + data)
        return path


def three_phase(
    count: int = 2000,
    rate_hz: float = 4000.0,
    frequency_hz: float = 50.0,
    *,
    names: Sequence[str] = ("V1", "V2", "V3", "I1", "I2", "I3", "IN"),
    units: Sequence[str] = ("V", "V", "V", "A", "A", "A", "A"),
    **fields: object,
) -> FakeRecord:
    """230 V and 10 A with a third harmonic in the currents; a fifth channel on is the neutral."""
    t = np.arange(count) / rate_hz
    w = 2 * np.pi * frequency_hz
    angle = [-2 * np.pi * p / 3 for p in range(3)]
    volts = [230 * np.sqrt(2) * np.cos(w * t + phi) for phi in angle]
    amps = [10 * np.sqrt(2) * np.cos(w * t + phi - 0.3) + 2 * np.cos(3 * (w * t + phi)) for phi in angle]
    signals = [*volts, *amps, sum(amps)]
    scale = {"V": 0.05, "A": 0.002}
    channels = [
        FakeChannel(name, unit, signal, a=scale.get(unit, 0.01), b=0.25 if unit == "V" else -0.01)
        for name, unit, signal in zip(names, units, signals, strict=False)
    ]
    return FakeRecord(channels, rate_hz=rate_hz, **fields)  # type: ignore[arg-type]
