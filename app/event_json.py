"""A voltage event as the JSON object of the command line, and as text for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from app.measurement_json import iso_utc

if TYPE_CHECKING:
    from dsp.events import Event
    from dsp.voltage_changes import VoltageChange


def event_to_json(event: Event | VoltageChange) -> dict[str, Any]:
    """The event as a JSON object: start UTC with milliseconds, residual in V, depth in % of the declared voltage
    (negative: above it). flags, only where there are any: "gap" or "unfinished" where its end was not seen."""
    flags = list(getattr(event, "flags", ()))
    return {
        "event": event.event,
        "start": iso_utc(event.start_ns),
        "duration_s": _finite(event.duration_s),
        "residual_v": _finite(event.residual_v),
        "depth_pct": _finite(event.depth_pct),
        "channels": list(event.channels),
        **({"flags": flags} if flags else {}),
    }


def event_to_text(event: Event | VoltageChange) -> str:
    """One line: when, what, how long, how deep, where, and what to know about it."""
    deep = f"{event.depth_pct:.1f} % below" if event.depth_pct >= 0 else f"{-event.depth_pct:.1f} % above"
    words = [
        iso_utc(event.start_ns),
        event.event,
        f"{event.duration_s:.3f} s",
        f"{event.residual_v:.1f} V ({deep})",
        ", ".join(event.channels),
    ]
    flags = getattr(event, "flags", ())
    words += [_FLAG_WORDS.get(flag, flag) for flag in flags]
    return "  ".join(word for word in words if word)


_FLAG_WORDS = {
    "gap": "samples are missing from its end on",
    "unfinished": "not over when the record ends",
}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
