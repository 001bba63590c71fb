"""esptool in a child process, as calls that wait, tell progress and can be stopped."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Progress = Callable[[int, int], None]
"""Told (done, total): of compressed bytes while writing, of bytes while reading."""

SILENT_S = 60.0
"""Without a sign of life from esptool for so long it is ended: connecting takes up to 30 s, erasing 4 MiB 20 s."""
_ROOT = Path(__file__).resolve().parents[2]


class FlashIdentity(NamedTuple):
    """What esptool finds at the other end. mac: "AA:BB:CC:DD:EE:FF". revision: major * 100 + minor. flash_size: bytes,
    0 where unknown. secure_download: the chip tells and does hardly anything in its loader. secure_version: the lowest
    that the eFuses let boot, None where they can't be read. The rest: as in `Target`."""

    chip: str
    mac: str
    revision: int
    flash_size: int
    secure_boot: bool
    flash_encryption: bool
    secure_download: bool
    secure_version: int | None = None
    secure_boot_v1: bool = False
    key_digests: Sequence[str] = ()
    block_revision: int | None = None
    any_newer_revision: bool = False
    any_newer_block: bool = False


class EsptoolError(Exception):
    """esptool failed. The text is one sentence that says what to do; `raw` what esptool said. needs_button: the chip
    did not enter its loader by itself."""

    def __init__(self, text: str, raw: str = "") -> None:
        super().__init__(text)
        self.raw = raw
        self.needs_button = any(mark.lower() in raw.lower() for mark in _NO_LOADER)


class Cancelled(Exception):
    """The person stopped it."""


class EsptoolProcess:
    """One connection to a chip in its loader. A context manager: leaving it ends the process within 3 s.

    cancelled: set by another thread, it ends whatever runs within 0.2 s (Cancelled is raised).
    """

    def __init__(self, port: str, *, baud: int = 460_800, cancelled: threading.Event | None = None) -> None:
        self._port = port
        self._baud = baud
        self._cancelled = cancelled or threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue(1000)
        self._said: deque[str] = deque(maxlen=40)
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> EsptoolProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "device_io.flashing.esptool_server"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            # In a group of its own: Ctrl-C in a terminal goes to the whole group, and who ends it is its owner.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        for name, work in (("esptool answers", self._take_answers), ("esptool words", self._take_words)):
            thread = threading.Thread(target=work, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and let the port go, within 3 s. May be called twice."""
        process = self._process
        assert process is not None
        with contextlib.suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(0.2 if self._cancelled.is_set() else 1.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(1.5)
        for thread in self._threads:
            thread.join(1.0)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    @property
    def words(self) -> str:
        """What esptool printed last, for support."""
        return "\n".join(self._said)

    def connect(self, attempts: int = 7) -> FlashIdentity:
        """Get the chip into its loader and the stub running. :raises EsptoolError: :raises Cancelled:"""
        facts = self._do({"do": "connect", "port": self._port, "baud": self._baud, "attempts": attempts})
        return FlashIdentity(**{name: facts[name] for name in FlashIdentity._fields if name in facts})

    def read(self, offset: int, size: int, path: Path, progress: Progress | None = None) -> None:
        """Read flash into a file; esptool checks the digest."""
        self._do({"do": "read", "offset": offset, "size": size, "path": str(path)}, progress)

    def write(self, offset: int, path: Path, progress: Progress | None = None) -> None:
        """Write a file to flash and remove the file; esptool checks the digest."""
        self._do({"do": "write", "offset": offset, "path": str(path)}, progress)

    def digest(self, offset: int, size: int) -> str:
        """MD5 of what stands in the flash, as lower-case hex."""
        return str(self._do({"do": "digest", "offset": offset, "size": size})["md5"])

    def reset(self) -> None:
        """Start what stands in the flash."""
        self._do({"do": "reset"})

    def _do(self, order: Mapping[str, Any], progress: Progress | None = None) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        except OSError:
            raise self._died() from None
        heard_s = time.monotonic()
        while True:
            if self._cancelled.is_set():
                process.kill()
                raise Cancelled
            try:
                answer = self._answers.get(timeout=0.1)
            except queue.Empty:
                if time.monotonic() - heard_s > SILENT_S:
                    process.kill()
                    raise EsptoolError(
                        "The flasher came to a stop. Unplug the module, plug it in, try again."
                    ) from None
                continue
            heard_s = time.monotonic()
            if answer is None:
                raise self._died()
            if answer["event"] == "progress":
                if progress is not None:
                    progress(answer["done"], answer["total"])
            elif answer["event"] == "failed":
                raise EsptoolError(sentence_for(answer["text"], self._port), answer["text"])
            else:
                return answer

    def _died(self) -> EsptoolError:
        return EsptoolError("The flasher ended by itself. Plug the module in anew and try again.", self.words)

    def _take_answers(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):
                self._answers.put(json.loads(line))
        self._answers.put(None)

    def _take_words(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.strip():
                self._said.append(line.strip())


_NO_LOADER = ("Wrong boot mode", "No serial data received", "Failed to connect")
_GONE = (
    "Could not configure port",
    "could not open port",
    "Input/output error",
    "returned no data",
    "Bad file descriptor",
    "socket disconnected",
    "device has been disconnected",
)
_MEANINGS = (
    (
        "doesn't exist",
        "{port} is in use by another program, or does not exist. Close that program, or check the name.",
    ),
    (
        "Wrong boot mode",
        "The module runs its program instead of its loader. Hold its BOOT button, press RESET shortly, let BOOT go.",
    ),
    (
        "No serial data received",
        "Nothing answers on {port}. Check cable and power; hold the BOOT button, press RESET shortly and try again.",
    ),
    (
        "Failed to connect",
        "The module on {port} does not enter its loader. Hold its BOOT button, press RESET shortly and try again.",
    ),
    *((mark, "{port} is gone: the module was unplugged. Plug it in again.") for mark in _GONE),
    ("target RAM", "Bytes were lost on the way to the module. Try again with another cable, port or a lower --baud."),
    *(
        (mark, "The flash memory of the module could not be written. Try again; if it stays so, it is worn.")
        for mark in ("Flash write error", "Failed SPI operation", "write compressed data to flash", "write to target")
    ),
    ("Digest mismatch", "Bytes were lost on the way from the module. Try again with another cable or a lower --baud."),
    ("MD5", "What was read back is not what was written. Try again with another cable or a lower speed."),
    *(
        (mark, "The module fell silent. Unplug it, plug it in again and try again; use a lower --baud if it stays so.")
        for mark in ("No more data to read", "Timed out waiting for packet", "Serial data stream stopped")
    ),
    ("will not fit", "The image does not fit in the module's flash memory. Choose the firmware for this module."),
)


def sentence_for(text: str, port: str) -> str:
    """What an error of esptool means, and what to do."""
    for mark, meaning in _MEANINGS:
        if mark.lower() in text.lower():
            return meaning.format(port=port)
    return f"The flasher stopped: {text.rstrip('.')[:200]}. Unplug the module, plug it in again and try again."
