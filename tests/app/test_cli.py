"""What holds for every verb: signals from the first moment on, output that nobody reads or that can't be written."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app import cli
from app.output import Output
from tests.fakes.command_line import environment

MAIN = Path(__file__).resolve().parents[2] / "main.py"


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_verb_is_loaded_ends_it(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def run(_args: argparse.Namespace, output: Output) -> int:
        seen.append(output.stop.is_set())
        return 0

    def load(_name: str) -> SimpleNamespace:
        signal.raise_signal(number)
        return SimpleNamespace(add_arguments=lambda _parser: None, run=run)

    monkeypatch.setattr(cli.importlib, "import_module", load)
    assert cli.main(["read"]) == 0
    assert seen == [True]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["community", "status"]])
def test_output_that_finds_no_room_is_no_success(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, MAIN, *arguments], stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=50
        )
    assert done.returncode == 1
    assert done.stderr.decode().count("\n") == 1
    assert "can't be written" in done.stderr.decode()


@pytest.mark.parametrize("arguments", [["--help"], ["community", "status"]])
def test_without_a_stdout_it_runs_as_with_one(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CLOSED, str(MAIN), *arguments], capture_output=True, env=environment(), timeout=50
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


_CLOSED = f"import os, sys; os.close(1); os.execv({sys.executable!r}, [{sys.executable!r}, *sys.argv[1:]])"


def test_a_reader_that_has_gone_is_no_fault() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, MAIN, "community", "status"],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=50,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")
