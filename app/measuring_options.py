"""Options that measuring verbs share: what intervals are given, and what their values refer to."""

from __future__ import annotations

import argparse
import math
from typing import Any

from app.output import WrongUsage
from dsp.measurement import WINDOWS
from dsp.signalling import HIGHEST_HZ

INTERVALS = {
    "window": ("10/12-cycle",),
    "3s": ("150/180-cycle",),
    "10s": ("10s",),
    "10min": ("10min",),
    "2h": ("2h",),
    "all": WINDOWS,
}
"""--every: the intervals it asks for."""


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """Declare them."""
    parser.add_argument("--every", choices=INTERVALS, default="window", help="interval of a result (default: window)")
    parser.add_argument(
        "--events", action="store_true", help="voltage events as well: dips, swells, interruptions, changes"
    )
    parser.add_argument("--nominal-frequency", type=float, choices=(50.0, 60.0), help="50 or 60 Hz (default: measured)")
    parser.add_argument(
        "--lamp", type=int, choices=(120, 230), help="reference lamp of the flickermeter (default: by the voltage)"
    )
    parser.add_argument("--signalling", type=float, metavar="HZ", help="frequency of mains signalling: gives MSV")
    parser.add_argument("--demand-current", type=float, metavar="A", help="maximum demand current IL: gives TDD")


def measuring_options(args: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments of dsp.monitor.Monitor by the options, the declared voltage left out. WrongUsage for a number
    outside its range."""
    signalling_hz, demand_a = args.signalling, args.demand_current
    if signalling_hz is not None and not 0.0 < signalling_hz < HIGHEST_HZ:
        raise WrongUsage(f"--signalling needs a frequency between 0 and {HIGHEST_HZ:.0f} Hz.")
    if demand_a is not None and not 0.0 < demand_a < math.inf:
        raise WrongUsage("--demand-current needs a number of amperes above 0.")
    return {
        "every": INTERVALS[args.every],
        "events": args.events,
        "nominal_frequency_hz": args.nominal_frequency,
        "lamp": args.lamp,
        "signalling_hz": signalling_hz,
        "demand_current_a": demand_a,
    }


def check_nominal_voltage(volts: float | None) -> None:
    """WrongUsage for a declared voltage that is none."""
    if volts is not None and not 0.0 < volts < math.inf:
        raise WrongUsage("--nominal-voltage needs a number of volts above 0.")
