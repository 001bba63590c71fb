"""Eight modules at once: `read` on eight pseudo terminals, every window whole

Eight `simulate` processes (office, 2 Mbaud, paced in real time) and eight `read` processes on the same machine. A lost
or late block would show as a window flagged "gap".
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack

import psutil

from tests.fakes.command_line import MAIN, Simulation, environment, json_lines

MODULES = 8
WINDOWS = 75


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    with ExitStack() as stack:
        modules = [
            stack.enter_context(Simulation("--usb", "--preset", "office", "--seed", str(n))) for n in range(MODULES)
        ]
        since_s = time.monotonic()
        readers = [
            subprocess.Popen(
                [sys.executable, MAIN, "read", module.told["usb"], "--count", str(WINDOWS), "--json"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for module in modules
        ]
        while time.monotonic() - since_s < 12.0:
            time.sleep(0.5)
        used_s = sum(_cpu_s(reader.pid) for reader in readers)
        took_s = time.monotonic() - since_s
        outputs = [reader.communicate(timeout=60.0)[0] for reader in readers]
    measurements = [json_lines(output) for output in outputs]
    gaps = sum("gap" in measurement["flags"] for series in measurements for measurement in series)
    whole = all(len(series) == WINDOWS for series in measurements)
    return [
        {
            "what": f"windows of 200 ms with a lost block, of {MODULES} x {WINDOWS}",
            "ours": str(gaps),
            "peer": f"{100 * used_s / took_s / MODULES:.0f} % of a core a reader",
            "ratio": f"{gaps}",
            "limit": "0",
            "holds": whole and gaps == 0,
        }
    ]


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
