"""esptool as a person runs it: an own process on a port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass

TIMEOUT_S = 120
"""A run takes some seconds; who calls it has a time limit of 180 s."""

_NOISE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x20-\x7e\n]")


@dataclass(frozen=True)
class Run:
    """How it ended, and what it printed (plain text)."""

    code: int
    text: str


def port_of(url: str) -> str:
    """What esptool takes for a port out of a `usb:` URL."""
    return url.removeprefix("usb:")


def command(url: str, *arguments: object, before: str = "no-reset", baud: int | None = None) -> list[str]:
    """The command line. before: how the chip is reset first."""
    speed = [] if baud is None else ["--baud", str(baud)]
    head = [sys.executable, "-m", "esptool", "--port", port_of(url), "--before", before, "--connect-attempts", "10"]
    return [*head, *speed, *map(str, arguments)]


def esptool(url: str, *arguments: object, before: str = "no-reset", baud: int | None = None) -> Run:
    """Run it to its end."""
    return _run(command(url, *arguments, before=before, baud=baud))


def run_python(code: str, *arguments: str) -> Run:
    """Run Python code in an own process, for what the command line has no verb for."""
    return _run([sys.executable, "-c", code, *arguments])


def _run(words: list[str]) -> Run:
    result = subprocess.run(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT_S,
        check=False,
        env=environment(),
    )
    return Run(result.returncode, plain(result.stdout.decode("utf-8", "replace")))


def esptool_killed_when(url: str, killed: threading.Event, *arguments: object) -> None:
    """Run it and kill it when the event is set. Fails if it ends before that."""
    process = subprocess.Popen(
        command(url, *arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    try:
        while not killed.wait(0.005):
            assert process.poll() is None, f"esptool ended by itself with {process.returncode}"
    finally:
        process.kill()
        process.wait(30)


def environment() -> dict[str, str]:
    """Wide plain output."""
    return os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}


def plain(text: str) -> str:
    """Without colours and line drawings."""
    return _NOISE.sub("", text)
