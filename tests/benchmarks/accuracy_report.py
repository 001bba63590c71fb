"""The accuracy table in words: rows of `make bench`, and docs/accuracy.md."""

from __future__ import annotations

import platform
from dataclasses import dataclass

from tests.fakes.accuracy_case import NOTHING, Error, Limit


@dataclass
class Found:
    """The worst of one line, where it was, and how many windows were held against it."""

    error: Error = NOTHING
    case: str = ""
    windows: int = 0

    @property
    def place(self) -> str:
        """Where it was."""
        return ", ".join(part for part in (self.error.where, self.case) if part)


def row(limit: Limit, found: Found) -> dict[str, object]:
    """A row of `make bench`."""
    return {
        "what": limit.quantity,
        "ours": f"{found.error.size:.2g} {limit.unit} ({found.place})",
        "peer": "truth",
        "ratio": f"{found.error.size / limit.most:.2f}",
        "limit": f"<= {limit.most:g} {limit.unit}",
        "holds": found.error.size <= limit.most,
    }


def report(lines: dict[Limit, Found], took_s: float) -> str:
    """The whole of docs/accuracy.md."""
    head = HEAD.format(
        python=platform.python_version(), system=platform.system(), machine=platform.machine(), took_s=took_s
    )
    rows = ["| quantity | at most | worst found | of limit | where | checked |", "|--|--|--|--|--|--|"]
    for limit, found in lines.items():
        share = found.error.size / limit.most
        verdict = f"{share:.2f}" if share <= 1.0 else f"**{share:.2f}**"
        rows.append(
            f"| {limit.quantity} | {limit.most:g} {limit.unit} | {found.error.size:.2g} | {verdict} "
            f"| {found.place} | {found.windows} |"
        )
    return head + "\n".join(rows) + "\n" + TAIL


HEAD = """# Accuracy

Written by `python -m tests.benchmarks.accuracy --keep`; `make bench` prints the same figures. Last run:
Python {python}, {system} {machine}, {took_s:.0f} s.

Every figure is the worst that a search found: cases drawn at random within the limits below and at their corners, then
varied about the worst of each line. Truth is a closed formula of the signal that shares no code with the measurement.
Bold: above the limit.

- Three phases and neutral; fundamental anywhere in 42.5 to 57.5 Hz (10 cycles a window) and 51 to 69 Hz (12 cycles).
- Every order from 2 up to 0.495 of the sample rate is there at 1 % of the fundamental, with random phases or (one in
  eight) all in phase.
- 4000, 4098 and 8000 samples a second, each of the three chips off by up to 200 ppm and started up to 250 us late. The
  module's clock tells so in time stamps of whole microseconds, one each 20 ms, and counts as true.
- One case in four goes through a front end (second-order low-pass at 1.6 kHz, 310 us late) that is divided out again.
- All windows count from the first of each stream on. For rms and h1 those that begin in its first 0.4 s have a line of
  their own: stamps of whole microseconds cannot tell a rate to 2 ppm so soon, but the phases of the voltages can.

"""

TAIL = """
Angles are against the fundamental of the chip's own voltage; what the alignment of the chips adds is in its own line.
sigma of a bin: the noise of a sample times sqrt(2 / N) in the amplitude of a line, with N samples in the window.
Interharmonics: the truth are Fourier's integrals of the true signal over true whole cycles, in closed form, grouped
after IEC 61000-4-7. A plain transform of M samples of the same window differs from them by up to half of the step
between the window's ends over M in every line: about 1 ppm of h1 for each tone of 1 % with 16384 samples, 20 ppm with
800 (4 kHz). Tones close to the fundamental are told from a wobble of its phase by what they do to its size; two at
like distances (0.02 of it) on either side may be the sidebands of one, which windows follow, and are left out here.
"""
