"""The command as a process that is stopped, or killed, while it writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.command_line import ROOT, environment
from tests.fakes.flash_bench import NAME, FlashBench, bundle

COMMAND = (
    "import sys; from app import cli; cli.VERBS.setdefault('firmware', 'flash modules'); "
    "sys.exit(cli.main(['firmware', *sys.argv[1:]]))"
)


class Firmware:
    """`firmware ...` as a process."""

    def __init__(self, folder: Path, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *map(str, arguments), "--json"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**environment(), "SENSIX_DATA": str(folder / "data")},
            start_new_session=True,
        )

    def end(self, timeout_s: float = 90.0) -> tuple[int, dict[str, Any] | None, str]:
        """Exit code, the last line of JSON, stderr."""
        out, err = self.process.communicate(timeout=timeout_s)
        lines = out.splitlines()
        assert "Traceback" not in err, err
        return self.process.returncode, json.loads(lines[-1]) if lines else None, err


@pytest.mark.timeout(240)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals for other processes")
@pytest.mark.parametrize(
    ("how", "way"),
    [
        (signal.SIGINT, "--finish"),
        (signal.SIGKILL, "--go-back"),
        pytest.param(signal.SIGTERM, "--go-back", marks=pytest.mark.soak),
        pytest.param(signal.SIGKILL, "--finish", marks=pytest.mark.soak),
    ],
)
def test_whatever_ends_it_the_way_on_and_the_way_back_are_kept(tmp_path, how, way):
    path = bundle(tmp_path, size=300_000)
    with FlashBench(tmp_path) as bench:
        bench.name_it()
        feed, midst = bench.board.loader.receive, bench.board.flash.bytes_written + 100_000

        def falls_silent(data: bytes) -> bytes:
            """Whenever the signal comes, it is still writing."""
            return b"" if bench.board.flash.bytes_written >= midst else feed(data)

        bench.board.loader.receive = falls_silent
        options = ("--trusted-key", tmp_path / "keys.json", "--yes", "--baud", 2_000_000)
        unkept = () if way == "--go-back" else ("--no-backup",)
        broken_off = Firmware(tmp_path, "flash", bench.url, path, *options, *unkept)
        bench.wait(lambda: bench.board.flash.bytes_written >= midst, 90.0)
        if how is signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(broken_off.process.pid, how)
        else:
            broken_off.process.send_signal(how)
        code, last, words = broken_off.end(30.0)
        bench.board.loader.receive = feed
        if how is signal.SIGKILL:
            assert code == -how
        else:
            assert last is not None
            assert (code, last["result"], last["unfinished"]) == (1, "failed", True)
            assert last["reason"].startswith("Stopped.")
            assert "--finish" in words
        bench.wait(lambda: bench.board.state == "app")
        assert bench.firmware() == "1.0.0"
        version = "1.0.0" if way == "--go-back" else "2.0.0"
        code, last, words = Firmware(tmp_path, "flash", bench.url, way, "--yes", "--baud", 2_000_000).end()
        assert last is not None
        assert (code, last["result"], last["version"]) == (0, "ok", version), words
        assert (bench.firmware(), bench.module.settings["name"]) == (version, NAME)
