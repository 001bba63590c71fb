"""`simulate` while its broker does not answer."""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.fakes.command_line import MAIN, environment


def test_simulate_ends_while_it_waits_for_a_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(60.0)
        arguments = ("simulate", "--wifi", f"mqtts://127.0.0.1:{silent.getsockname()[1]}")
        with subprocess.Popen(
            [sys.executable, MAIN, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        ) as process:
            connection, _ = silent.accept()
            process.terminate()
            told, errors = process.communicate(timeout=30.0)
            connection.close()
    assert (process.returncode, told, errors) == (0, "", "")
