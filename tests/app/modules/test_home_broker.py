from __future__ import annotations

import socket
import stat
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from app.modules.home_broker import HomeBroker
from device_io.discovery.identify import identify
from device_io.links import open_link
from device_io.mqtt.embedded_broker import BrokerFailure
from device_io.mqtt.passwords import find_password
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import parse_url
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.wifi_port import WifiPort
from tests.fakes.command_line import MAIN, environment, json_lines, run_verb
from tests.fakes.mosquitto import free_port


@pytest.fixture
def broker(tmp_path):
    broker = HomeBroker(tmp_path / "broker", port=free_port(), host="127.0.0.1", announce=False)
    broker.start()
    yield broker
    broker.stop()


def test_a_module_comes_with_its_password_and_is_read_with_ours(broker):
    module = VirtualModule("clean")
    access = broker.add_module(module.info.eui)
    assert access.host == "127.0.0.1", "where the broker listens"
    assert stat.S_IMODE((access.ca_file.parent / "broker.key").stat().st_mode) == 0o600
    url = parse_url(f"mqtts://{access.user}@127.0.0.1:{access.port}?ca={access.ca_file}")
    port = WifiPort(module, url, password=access.password)
    port.start()
    try:
        assert port.wait() is None
        ours = f"mqtts://desktop@127.0.0.1:{access.port}/{access.token}/{module.info.eui}?ca={access.ca_file}"
        link = open_link(ours, reconnect=False, prompt=broker.password)
        assert identify(link, 30.0).eui == module.info.eui
    finally:
        port.stop()


def test_our_password_is_for_our_account_on_this_broker_alone(broker):
    def told(account: str) -> bool:
        (question,) = asked_of(f"mqtts://{account}")
        return broker.password(question) is not None

    port = urlsplit(broker.url).port
    assert told(f"desktop@127.0.0.1:{port}")
    assert told(f"desktop@localhost:{port}")
    assert not told(f"anna@127.0.0.1:{port}")
    assert not told(f"desktop@broker.example:{port}"), "another broker on the usual port"
    assert not told(f"desktop@127.0.0.1:{port + 1}")


def asked_of(url: str) -> list[str]:
    """What a person is asked for before a broker is greeted."""
    questions: list[str] = []
    with pytest.raises(LinkError):
        find_password(parse_url(url), lambda question: questions.append(question))
    return questions


def test_a_wrong_password_is_refused(broker):
    eui = VirtualModule("clean").info.eui
    access = broker.add_module(eui)
    url = f"mqtts://{eui}@127.0.0.1:{access.port}/{access.token}/{eui}?ca={access.ca_file}"
    with pytest.raises(LinkError) as caught:
        identify(open_link(url, reconnect=False, prompt=lambda _: "wrong"), 30.0)
    assert caught.value.kind is LinkErrorKind.LOGIN_REFUSED


def test_it_starts_once_ends_twice_and_says_when_its_port_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = HomeBroker(tmp_path, port=taken.getsockname()[1], host="127.0.0.1", announce=False)
        with pytest.raises(BrokerFailure) as caught:
            broker.start()
        assert "\n" not in str(caught.value)
    assert not broker.is_running
    assert broker.url is None
    broker.stop()


def test_the_verb_says_what_a_module_needs(tmp_path):

    port = free_port()
    process = subprocess.Popen(
        [sys.executable, MAIN, "broker", "--host", "127.0.0.1", "--port", str(port)]
        + ["--folder", str(tmp_path), "--add", "0253454E00000001", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        lines = json_lines(process.stdout.readline() + process.stdout.readline())
        assert lines[0]["broker"].startswith("mqtts://desktop@")
        assert lines[1]["user"] == "0253454E00000001"
        assert len(lines[1]["password"]) >= 16
    finally:
        process.terminate()
        assert process.wait(20.0) == 0
        process.communicate()
    assert run_verb("broker", "--add", "12").returncode == 2
