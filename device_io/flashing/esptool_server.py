"""The child process that holds esptool: takes orders as JSON lines on stdin, answers with JSON lines on stdout.

A process of its own because esptool's logger is one for the whole process, and because ending it is the one sure way
to stop esptool anywhere. One connection serves all orders. Orders: {"do": "connect", ...} first, then "read", "write",
"digest", "reset"; the end of stdin ends it. Answers: {"event": "progress", "done", "total"}, then {"event": "done",
...} or {"event": "failed", "text"}.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from typing import IO, Any

from device_io.flashing.efuses import key_digests, limits

PROGRESS_S = 0.1
"""Progress is told at most this often."""
START_BAUD = 115_200


class _Teller:
    """The one way to stdout; esptool's own texts go to stderr."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._told_s = 0.0
        self._lock = threading.Lock()

    def tell(self, event: str, **facts: Any) -> None:
        with self._lock:
            self._out.write(json.dumps({"event": event, **facts}) + "\n")
            self._out.flush()

    def progress(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if done >= total or now_s - self._told_s >= PROGRESS_S:
            self._told_s = now_s
            self.tell("progress", done=done, total=total)


class _Orders:
    """Lines of stdin. When it ends in the midst of an order, so does the process: nobody waits for the answer, and the
    port must not be kept."""

    def __init__(self, lines: IO[str]) -> None:
        self.busy = False
        self._lines = lines
        self._queue: queue.Queue[str | None] = queue.Queue(4)
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (line := self._queue.get()) is not None:
            self.busy = True
            yield json.loads(line)
            self.busy = False

    def _read(self) -> None:
        for line in self._lines:
            self._queue.put(line)
        if self.busy:
            os._exit(1)
        self._queue.put(None)


def main() -> int:
    """Serve orders until stdin ends. Returns the exit code."""
    teller = _Teller(sys.stdout)
    sys.stdout = sys.stderr
    board: _Board | None = None
    try:
        for order in _Orders(sys.stdin):
            try:
                if order["do"] == "connect":
                    board = _Board(teller, order)
                    teller.tell("done", **board.identity())
                elif board is None:
                    teller.tell("failed", text="connect first")
                else:
                    teller.tell("done", **getattr(board, f"do_{order['do']}")(order))
            except Exception as error:  # whatever esptool raises: the other side decides what it means
                teller.tell("failed", text=" ".join(str(error).split()), type=type(error).__name__)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    finally:
        if board is not None:
            board.close()
    return 0


class _Board:
    """A chip in its flasher stub, or in the loader of its ROM where secure boot allows no other."""

    def __init__(self, teller: _Teller, order: dict[str, Any]) -> None:
        from esptool.cmds import attach_flash, detect_chip, detect_flash_size, run_stub
        from esptool.logger import TemplateLogger, log

        class Logger(TemplateLogger):  # type: ignore[misc]
            """Progress bars become progress; words go to stderr."""

            def print(self, *args: Any, **_: Any) -> None:
                self.note(" ".join(str(arg) for arg in args))

            def note(self, message: str) -> None:
                sys.stderr.write(f"{message}\n")

            warning = error = note

            def stage(self, finish: bool = False) -> None:
                pass

            def progress_bar(self, cur_iter: int, total_iters: int, *_: Any, **__: Any) -> None:
                teller.progress(cur_iter, total_iters)

            def set_verbosity(self, verbosity: str) -> None:
                pass

        log.set_logger(Logger())
        self._teller = teller
        rom = detect_chip(
            order["port"], START_BAUD, order.get("before", "default-reset"), connect_attempts=order.get("attempts", 7)
        )
        self._esp = rom
        try:
            self._chip = str(rom.CHIP_NAME)
            self._facts = self._read_facts(rom)
            if self._facts["secure_download"]:
                self._size = 0
                return
            self._esp = run_stub(rom)
            baud = int(order.get("baud", START_BAUD))
            if baud > START_BAUD:
                self._esp.change_baud(baud)
            attach_flash(self._esp)
            self._size = _bytes_of(detect_flash_size(self._esp))
        except BaseException:
            self.close()
            raise

    def _read_facts(self, rom: Any) -> dict[str, Any]:
        if rom.secure_download_mode:  # its registers can't be read
            locked = {"secure_download": True, "secure_boot": True, "flash_encryption": True, "secure_boot_v1": False}
            return {**locked, "mac": "", "revision": 0}
        secure_boot = bool(rom.get_secure_boot_enabled())
        first_version = secure_boot and bool(rom.get_secure_boot_v1_enabled())
        return {
            "secure_download": False,
            "secure_boot": secure_boot,
            "secure_boot_v1": first_version,
            "key_digests": key_digests(rom) if secure_boot and not first_version else (),
            "flash_encryption": bool(rom.get_flash_encryption_enabled()),
            "mac": ":".join(f"{byte:02X}" for byte in rom.read_mac("BASE_MAC")),
            "revision": int(rom.get_chip_revision()),
            **limits(rom),
        }

    def identity(self) -> dict[str, Any]:
        return {"chip": self._chip, "flash_size": self._size, **self._facts}

    def do_read(self, order: dict[str, Any]) -> dict[str, Any]:
        offset, size = int(order["offset"]), int(order["size"])
        data = self._esp.read_flash(offset, size, lambda done, total, *_: self._teller.progress(done, total))
        with open(order["path"], "wb") as file:
            file.write(data)
        return {"size": len(data)}

    def do_write(self, order: dict[str, Any]) -> dict[str, Any]:
        from esptool.cmds import write_flash

        with open(order["path"], "rb") as file:
            data = file.read()
        os.unlink(order["path"])  # it may hold a password, and who made it may be ended before it is removed
        in_stub = self._esp.IS_STUB
        try:
            write_flash(self._esp, [(int(order["offset"]), data)])
        finally:
            # Getting over a lost connection, esptool runs the stub anew and leaves this object thinking of the ROM.
            self._esp.IS_STUB = in_stub
        return {}

    def do_digest(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"md5": str(self._esp.flash_md5sum(int(order["offset"]), int(order["size"]))).lower()}

    def do_reset(self, order: dict[str, Any]) -> dict[str, Any]:
        del order
        from esptool.cmds import reset_chip

        reset_chip(self._esp, "hard-reset")
        if _has_lines(self._esp._port):
            return {}
        # Nothing reset it: let the stub start what is in the flash, or the ROM, where secure boot allows no stub.
        if self._esp.IS_STUB:
            self._esp.command(self._esp.ESP_CMDS["RUN_USER_CODE"], wait_response=False)
        else:
            self._esp.soft_reset(stay_in_bootloader=False)
        return {}

    def close(self) -> None:
        port = getattr(self._esp, "_port", None)
        if port is not None:
            port.close()


def _has_lines(port: Any) -> bool:
    """Whether the port has the modem lines by which a chip is reset: a socket and a pty have none."""
    try:
        port.rts = False
        return not str(getattr(port, "portstr", "") or "").startswith("socket://")
    except (OSError, ValueError):
        return False


def _bytes_of(size: str | None) -> int:
    if not size or not size[:-2].isdigit():
        return 0
    return int(size[:-2]) * {"KB": 1024, "MB": 1024 * 1024}[size[-2:]]


if __name__ == "__main__":
    sys.exit(main())
