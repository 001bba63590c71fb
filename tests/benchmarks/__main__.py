"""`make bench`: prints speed and memory as ratios within one run, and keeps them in docs/performance.md.

Usage: python -m tests.benchmarks [NAME ...]     (default: all of NAMES)
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one thread, as the application sets it; before numpy is loaded

NAMES = (
    "wire",
    "latency",
    "bus",
    "mqtt",
    "memory",
    "measuring",
    "drawing",
    "map",
    "community",
    "flashing",
    "eight",
    "start",
    "accuracy",
)
REPORT = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


@dataclass(frozen=True)
class Row:
    """One figure: what was measured, the figure, the peer's, and whether the limit holds."""

    what: str
    ours: str
    peer: str
    ratio: str
    limit: str
    holds: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks and say which limits hold. 0 when they ran to their end; with --strict 1 when a limit does not."""
    parser = argparse.ArgumentParser(prog="tests.benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--strict", action="store_true", help="end with code 1 when a limit does not hold")
    parser.add_argument("--keep", action="store_true", help="write docs/performance.md")
    args = parser.parse_args(arguments)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    sections = []
    for name in args.names or NAMES:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        rows = [Row(**row) if isinstance(row, dict) else row for row in module.run()]
        sections.append((module.__doc__ or name, rows))
        print(table(*sections[-1]), flush=True)
    if args.keep:
        REPORT.write_text(report(sections), encoding="utf-8")
    holds = all(row.holds for _, rows in sections for row in rows)
    return 1 if args.strict and not holds else 0


def table(title: str, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [f"## {title.strip().splitlines()[0]}", ""]
    lines += ["| what | ours | peer | ratio | limit | holds |", "|--|--|--|--|--|--|"]
    for row in rows:
        verdict = "yes" if row.holds else "**no**"
        lines.append(f"| {row.what} | {row.ours} | {row.peer} | {row.ratio} | {row.limit} | {verdict} |")
    return "\n".join([*lines, ""])


def report(sections: Sequence[tuple[str, Sequence[Row]]]) -> str:
    """The whole of docs/performance.md."""
    head = [
        "# Performance",
        "",
        "Written by `make bench ARGS=--keep`. Medians; ratios count, since absolute times drift from run to run.",
        f"Last run: Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
        "",
    ]
    return "\n".join(head + [table(*section) for section in sections])


if __name__ == "__main__":
    raise SystemExit(main())
