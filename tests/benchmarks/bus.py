"""RS485 bus: payload against what the wires allow

A virtual module on a pty whose replies take the time of their bits. The wires allow: the bits of requests and replies
and a silence of 3.5 characters (1.75 ms above 19 200 baud) after each of them. The median of several runs.
"""

from __future__ import annotations

from collections.abc import Callable

from device_io.modbus.unit import Unit
from tests.fakes.paced_bus import paced_bus

LEAST = 0.9


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    rows = []
    for baud, runs in ((19_200, 1), (115_200, 5)):
        with paced_bus(baud) as bus:
            for what, count, work in (("sets of readings", 20, _readings), ("a snapshot", 1, _snapshot)):
                figures = []
                for _ in range(runs):
                    bus.begin()
                    payload = sum(work(bus.unit) for _ in range(count))
                    figures.append((*bus.spent(), payload))
                took_s, needed_s, payload = sorted(figures, key=lambda run: run[1] / run[0])[runs // 2]
                ratio = needed_s / took_s
                rows.append(
                    {
                        "what": f"{what} at {baud} baud, {took_s / count:.2f} s each",
                        "ours": f"{payload / took_s / 1000:.2f} kB/s of payload",
                        "peer": f"{payload / needed_s / 1000:.2f} kB/s, what the wires allow",
                        "ratio": f"{ratio:.3f}",
                        "limit": f">= {LEAST:.2f}",
                        "holds": ratio >= LEAST,
                    }
                )
    return rows


def _readings(unit: Unit) -> int:
    """Bytes of payload in a set of readings."""
    unit.readings()
    return 2 * sum(unit.used)


def _snapshot(unit: Unit) -> int:
    """Bytes of payload in a snapshot."""
    steps: Callable[[], None] = unit.snapshot().__next__
    while True:
        try:
            steps()
        except StopIteration as done:
            return sum(3 * block.counts.size for block in done.value)
