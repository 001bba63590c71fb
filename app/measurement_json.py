"""A measurement as the JSON object of the command line, and as text for people."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from dsp.measurement import FLAGS, Measurement
from resources.parameters import keys_for, parameter
from resources.systems import WiringSystem, phases_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"))
_NOT_AVAILABLE = "n/a"
_FLICKER = {"10min": "Pst", "2h": "Plt"}


def to_json(measurement: Measurement) -> dict[str, Any]:
    """The measurement as a JSON object: every key of the table that exists in its wiring system, None where not
    measurable. Numbers are unrounded and finite. completeness: share of the interval that was measured, 0..1;
    clock_ppm: deviation of the sample clock and its uncertainty, None where no such thing is measured. samples_lost,
    samples_clipped: how many are missing, and stand at the end of the input's range, over all inputs."""
    values = measurement.values
    band = measurement.band
    return {
        "time": iso_utc(measurement.end_ns),
        "module": measurement.module,
        "system": measurement.system,
        "window": measurement.window,
        "flags": list(measurement.flags),
        "band": {
            "trusted_to": int(band.trusted_to),
            "indicative_to": int(band.indicative_to),
            "thd_to": int(band.thd_to),
        },
        "values": {key: _finite(values.get(key)) for key in keys_for(_system(measurement))},
        "corrected": {
            key: number for key, value in measurement.corrected.items() if (number := _finite(value)) is not None
        },
        "completeness": float(measurement.completeness),
        "clock_ppm": _clock(measurement),
        "samples_lost": int(measurement.samples_lost),
        "samples_clipped": int(measurement.samples_clipped),
    }


def to_text(measurement: Measurement) -> str:
    """The main values as a short table: a head line, a line a phase, neutral, sum, and what the flags mean."""
    system = _system(measurement)
    values = measurement.values
    ten_seconds = measurement.window == "10s"
    head = [iso_utc(measurement.end_ns), system, measurement.window]
    head.append(_quantity(values, "Fq10" if ten_seconds else "Fqai"))
    if measurement.completeness < 1.0:
        head.append(f"{100.0 * measurement.completeness:.1f} % of it measured")
    if measurement.flags:
        head.append("flags: " + ", ".join(measurement.flags))
    if ten_seconds:  # nothing but the frequency
        return "  ".join(head)
    rows = [("", "U", "U THD", "I", "I THD", "P", "PF")]
    rows += [
        (
            f"L{p}",
            _quantity(values, f"V{p}r"),
            _quantity(values, f"THV{p}"),
            _quantity(values, f"I{p}r"),
            _quantity(values, f"THI{p}"),
            _quantity(values, f"P{p}"),
            _quantity(values, f"PF{p}i"),
        )
        for p in phases_of(system)
    ]
    if system.endswith("N"):
        rows.append(("N", "", "", _quantity(values, "INr"), _quantity(values, "THIN"), "", ""))
    if len(phases_of(system)) > 1:
        rows.append(("sum", "", "", "", "", _quantity(values, "Pc"), _quantity(values, "PFc")))
    lines = ["  ".join(head)]
    for name, *cells in rows:
        lines.append(f"  {name:<3}" + "".join(f"{cell:>13}" for cell in cells).rstrip())
    if flicker := _FLICKER.get(measurement.window):
        cells = [f"L{p} {_quantity(values, f'{flicker}{p}')}" for p in phases_of(system)]
        lines.append(f"  {flicker}: " + ", ".join(cells))
    counts = {"gap": measurement.samples_lost, "clipped": measurement.samples_clipped}
    for flag in measurement.flags:
        if flag in FLAGS:
            count = f" ({counts[flag]} samples)" if counts.get(flag) else ""
            lines.append(f"  {flag}: {FLAGS[flag]}{count}")
    if measurement.band.thd_to:
        lines.append(f"  THD up to order {measurement.band.thd_to}, trusted up to {measurement.band.trusted_to}")
    if (clock := measurement.clock_ppm) is not None and math.isfinite(sum(clock)):
        lines.append(f"  sample clock {clock[0]:+.1f} ppm, known to {clock[1]:.1f} ppm")
    return "\n".join(lines)


def iso_utc(time_ns: int) -> str:
    """UTC nanoseconds as ISO 8601 with milliseconds, rounded, and a Z."""
    moment = _EPOCH + timedelta(milliseconds=(time_ns + 500_000) // 1_000_000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _system(measurement: Measurement) -> WiringSystem:
    return cast(WiringSystem, measurement.system)


def _clock(measurement: Measurement) -> dict[str, float | None] | None:
    if measurement.clock_ppm is None or (value := _finite(measurement.clock_ppm[0])) is None:
        return None
    return {"value": value, "uncertainty": _finite(measurement.clock_ppm[1])}


def _finite(value: float | None) -> float | None:
    """A Python float, or None for what JSON and people have no number for."""
    if value is None or not math.isfinite(value):
        return None
    return float(value)


def _quantity(values: Mapping[str, float | None], key: str) -> str:
    """ "348.95 V", "1.24 %" or "n/a": five significant digits with a prefix, or the table's decimals."""
    value = _finite(values.get(key))
    if value is None:
        return _NOT_AVAILABLE
    entry = parameter(key)
    if value == 0:
        return f"0 {entry.unit}".rstrip()
    if entry.unit in ("", "%", "Hz", "deg"):
        return f"{value:.{entry.decimals}f} {entry.unit}".rstrip()
    factor, prefix = next(
        ((f, p) for f, p in _PREFIXES if abs(value) >= f * (1 - 5e-6)), _PREFIXES[-1] if value else (1.0, "")
    )
    scaled = value / factor
    digits = len(f"{abs(scaled):.0f}") if abs(scaled) >= 1 else 1
    return f"{scaled:.{max(5 - digits, 0)}f} {prefix}{entry.unit}"
