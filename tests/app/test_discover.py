"""`discover` where there is nothing to find."""

from __future__ import annotations

from tests.fakes.command_line import run_verb


def test_nothing_found_says_what_to_do() -> None:
    done = run_verb("discover", "--only", "usb:/dev/there-is-none", "--json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "There is no serial port /dev/there-is-none." in done.stderr
    told = done.stderr.splitlines()[-1]
    assert "Connect one by USB" in told
    assert "discover rs485:" in told
    assert "discover mqtts://" in told


def test_to_look_nowhere_is_no_search() -> None:
    done = run_verb("discover", "--only")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
