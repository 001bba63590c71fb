"""firmware provision: what it asks, what it prints, and that no password is among it."""

from __future__ import annotations

import argparse
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from app.output import Output, Refused, WrongUsage
from app.stopping import Stop
from app.verbs import firmware
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort

SECRET, BROKER_SECRET = "correct horse", "battery staple"


@pytest.fixture
def module() -> Any:
    module = VirtualModule("clean")
    port = UsbPort(module)
    module.url = port.start()
    yield module
    port.stop()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(*arguments): exit code or refusal, lines of JSON, stderr. Nobody is at the keyboard."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def run(*arguments: object) -> tuple[str, list[dict[str, Any]], str]:
        parser = argparse.ArgumentParser()
        firmware.add_arguments(parser)
        parser.add_argument("--json", action="store_true")
        args = parser.parse_args(["provision", *map(str, arguments), "--json"])
        refused = ""
        try:
            assert firmware.run(args, Output(as_json=args.json, stop=Stop())) == 0
        except Refused as why:
            refused = str(why)
        captured = capsys.readouterr()
        assert SECRET not in captured.out + captured.err + refused
        assert BROKER_SECRET not in captured.out + captured.err + refused
        return refused, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return run


@pytest.fixture
def passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put these lines into the file of passwords."""

    def write(*lines: str) -> None:
        (tmp_path / "passwords").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(tmp_path / "passwords"))

    monkeypatch.delenv("SENSIX_PASSWORD_FILE", raising=False)
    return write


def test_the_network_alone(module: Any, run: Any, passwords: Any) -> None:
    passwords(SECRET)
    refused, lines, _ = run(module.url, "--ssid", "Workshop")
    assert refused == ""
    assert lines == [
        {"stage": "wifi", "done": 0, "total": 3, "eta_s": None},
        {"result": "ok", "reason": "", "stage": "wifi", "wifi": None},
    ]
    assert module.settings.secret("wifi_password") == SECRET


def test_the_networks_in_reach(module: Any, run: Any) -> None:
    _, lines, _ = run(module.url, "--scan")
    assert {"ssid": "Guests", "rssi_dbm": -63, "locked": False} in lines


def test_a_reading_that_never_comes_is_a_failure(module: Any, run: Any, passwords: Any) -> None:
    passwords(SECRET, BROKER_SECRET)
    refused, lines, _ = run(module.url, "--ssid", "Workshop", "--broker", "mqtts://anna@127.0.0.1:1", "--wait", 0.3)
    last = lines[-1]
    assert [line["stage"] for line in lines[:-1]] == ["wifi", "settings", "reading"]
    assert (last["result"], last["stage"], last["reason"]) == ("failed", "reading", refused)
    assert refused.startswith("Connection: ")
    assert last["wifi"] == f"mqtts://anna@127.0.0.1:1/home/{module.info.eui}"
    assert module.settings.secret("mqtt_password") == BROKER_SECRET


def test_passwords_that_are_not_there_are_asked_for(module: Any, run: Any, passwords: Any, monkeypatch: Any) -> None:
    refused, lines, _ = run(module.url, "--ssid", "Workshop")
    assert "SENSIX_PASSWORD_FILE" in refused
    assert lines[-1]["result"] == "refused"
    passwords(SECRET)
    refused, _, _ = run(module.url, "--ssid", "Workshop", "--broker", "mqtts://anna@127.0.0.1")
    assert "a line for each" in refused
    passwords("", SECRET)  # a line that is empty is no password
    refused, lines, _ = run(module.url, "--ssid", "Workshop")
    assert (lines[-1]["result"], module.settings["wifi_ssid"]) == ("refused", "")
    assert "a line for each" in refused
    monkeypatch.setenv("SENSIX_PASSWORD_FILE", "/nowhere/at/all")
    assert "can't be read" in run(module.url, "--ssid", "Workshop")[0]
    assert run(module.url, "--ssid", "Guests", "--open")[0] == ""
    assert module.settings["wifi_ssid"] == "Guests"


def test_a_person_is_asked_without_an_echo(module: Any, run: Any, passwords: Any, monkeypatch: Any) -> None:
    asked = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda question: asked.append(question) or SECRET)
    assert run(module.url, "--ssid", "Workshop")[0] == ""
    assert asked == ["Password of the network Workshop: "]


def test_what_makes_no_sense_is_told(run: Any) -> None:
    for arguments, words in (
        (("/dev/ttyX",), "--ssid"),
        (("/dev/ttyX", "--ssid", "a", "--scan"), "--ssid"),
        (("/dev/ttyX", "--ssid", "a", "--broker", "usb:COM5"), "no|not the address"),
        (("/dev/ttyX", "--ssid", "a", "--broker", "mqtts://a:b@c"), "holds no password"),
        (("rs485:COM5", "--ssid", "a"), "not a port"),
        (("/dev/ttyX", "--ssid", "a", "--wait", "0"), "--wait"),
    ):
        with pytest.raises(WrongUsage, match=words):
            run(*arguments)
