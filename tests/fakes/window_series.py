"""Measurements of windows with numbers that the test chooses, as an analyser would give them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dsp.measurement import Band, Measurement

TICK_NS = 1_700_000_400 * 10**9  # a 10-minute tick of UTC


def windows(
    first_ns: int,
    count: int,
    values_of: Callable[[int], Mapping[str, float | None]],
    *,
    system: str = "3P+N",
    flags_of: Callable[[int], tuple[str, ...]] = lambda n: (),
    length_ns: int = 200_000_000,
    clock_s: float = 5.0,
    restarted: bool = True,
) -> Iterator[Measurement]:
    """`count` windows from first_ns on. restarted: at each 10-minute tick a window begins while the one before goes
    on. clock_s: the source's clock at first_ns."""
    start_ns = first_ns
    for number in range(count):
        tick_ns = -(-(start_ns + 1) // (600 * 10**9)) * 600 * 10**9
        end_ns = start_ns + length_ns
        yield Measurement(
            end_ns=end_ns,
            start_s=clock_s + (start_ns - first_ns) * 1e-9,
            end_s=clock_s + (end_ns - first_ns) * 1e-9,
            system=system,
            window="10/12-cycle",
            flags=flags_of(number),
            band=Band(32, 39, 39) if number % 2 else Band(32, 40, 40),
            values=values_of(number),
            module="0011223344556677",
            phasors={"V1": 230 + 0j},
            orders={"V1": np.full(41, float(number))},
        )
        start_ns = tick_ns if restarted and start_ns < tick_ns < end_ns else end_ns


def gap(start_ns: int, seconds: float, start_s: float, *, lost: int = 10, system: str = "3P+N") -> Measurement:
    """The measurement that stands for missing samples."""
    return Measurement(
        end_ns=start_ns + round(seconds * 1e9),
        start_s=start_s,
        end_s=start_s + seconds,
        system=system,
        window="10/12-cycle",
        flags=("gap",),
        band=Band(0, 0, 0),
        values={},
        samples_lost=lost,
    )
