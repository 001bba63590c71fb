"""The command line as a user has it: real processes, with a deadline for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAIN = str(ROOT / "main.py")


def environment() -> dict[str, str]:
    """That of the tests, where a warning is an error and Qt draws nowhere."""
    return {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONUNBUFFERED": "1"}


def run_verb(*arguments: str, timeout_s: float = 55.0) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end. subprocess.TimeoutExpired when it takes longer."""
    return subprocess.run(
        [sys.executable, MAIN, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout_s,
        env=environment(),
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """Every line of stdout, which must be JSON without NaN."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


class Simulation:
    """`simulate` as a process: a context whose `.told` is its first line."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self.told: dict[str, Any] = {}

    def __enter__(self) -> Simulation:
        self.process = subprocess.Popen(
            [sys.executable, MAIN, "simulate", *self._arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment(),
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.__exit__(None, None, None)
            raise AssertionError(f"simulate said nothing; stderr: {self.errors}")
        self.told = json.loads(line)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        try:
            _, self.errors = self.process.communicate(timeout=20.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            _, self.errors = self.process.communicate(timeout=20.0)
            raise
