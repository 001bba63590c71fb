"""The virtual module of `gui --demo`: a process of its own, so that it costs the window nothing."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

_MAIN = Path(__file__).resolve().parent.parent / "main.py"


class DemoModule:
    """A `simulate` process. Its URL is known a moment after the start."""

    def __init__(self, preset: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_MAIN), "simulate", "--usb", "--preset", preset, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.Queue[str] = queue.Queue(4)
        self._thread = threading.Thread(target=self._read_first_line, name="demo module", daemon=True)
        self._thread.start()

    def url(self, timeout_s: float = 10.0) -> str | None:
        """Where the module is; None when it did not come up in time."""
        try:
            return str(json.loads(self._lines.get(timeout=timeout_s))["usb"])
        except (queue.Empty, ValueError, KeyError):
            return None

    def stop(self) -> None:
        """End the process within 2 s."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(2.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(2.0)
        self._thread.join(1.0)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _read_first_line(self) -> None:
        assert self._process.stdout is not None
        self._lines.put(self._process.stdout.readline())
