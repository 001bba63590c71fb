"""A virtual module brought into the network over its USB port, to a real broker with TLS and passwords."""

from __future__ import annotations

import base64
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from device_io.port_lease import leased
from device_io.provisioning import Step, Wish, networks, provision
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_serial_url, parse_url
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from device_io.virtual_module.wifi_port import WifiPort
from tests.fakes.certificates import make_ca
from tests.fakes.mosquitto import Mosquitto

WIFI_SECRET, BROKER_SECRET = "correct horse", "battery staple"
SECRETS = (WIFI_SECRET, BROKER_SECRET)


class Home:
    """A module on USB that comes to the broker of its settings once it has a network, as a real one does."""

    def __init__(self, ca: Path | None) -> None:
        self.module = VirtualModule("clean")
        self._usb = UsbPort(self.module)
        self._ca = ca
        self._wifi: list[WifiPort] = []
        self._lock = threading.Lock()
        self.module.settings.on_change.append(self._changed)
        self.port = parse_serial_url(self._usb.start())

    def _changed(self, keys: frozenset[str]) -> None:
        settings = self.module.settings
        with self._lock:
            if self._wifi or not settings["wifi_ssid"] or not settings["mqtt_host"] or self._ca is None:
                return
            text = f"mqtts://{settings['mqtt_user']}@{settings['mqtt_host']}:{settings['mqtt_port']}?ca={self._ca}"
            url = parse_url(text)
            assert isinstance(url, MqttUrl)
            self._wifi.append(WifiPort(self.module, url, password=str(settings.secret("mqtt_password"))))
            self._wifi[0].start()

    def stop(self) -> None:
        self._usb.stop()
        for port in self._wifi:
            port.stop()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder, tls=make_ca(folder), passwords={"anna": BROKER_SECRET}) as running:
        yield running


@pytest.fixture
def plug_in() -> Iterator[Any]:
    with ExitStack() as stack:

        def start(ca: Path | None = None) -> Home:
            home = Home(ca)
            stack.callback(home.stop)
            return home

        yield start


def wish_for(server: Mosquitto, **changes: Any) -> Wish:
    url = parse_url(f"mqtts://anna@127.0.0.1:{server.port}?ca={server.ca}")
    assert isinstance(url, MqttUrl)
    return Wish(
        **{"ssid": "Workshop", "password": WIFI_SECRET, "broker": url, "broker_password": BROKER_SECRET, **changes}
    )


def test_the_module_sees_networks(plug_in):
    found = networks(plug_in().port)
    assert [(network.ssid, network.locked) for network in found] == [
        ("Workshop", True),
        ("Guests", False),
        ("Garden", True),
    ]


def test_from_usb_to_the_first_reading_at_the_broker(plug_in, broker, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path))
    home, steps = plug_in(broker.ca), []
    done = provision(home.port, wish_for(broker), reading_s=40.0, progress=steps.append)
    assert (done.result, done.reason) == ("ok", "")
    assert steps == list(Step)
    settings = home.module.settings
    assert (settings["wifi_ssid"], settings["mqtt_user"], settings["mqtt_port"]) == ("Workshop", "anna", broker.port)
    assert [settings.secret(key) for key in ("wifi_password", "mqtt_password")] == list(SECRETS)
    assert settings["unconfirmed_s"] == 0
    assert done.module is not None
    assert (done.module.eui, done.module.token) == (home.module.info.eui, "home")
    assert base64.b64decode(settings["mqtt_ca"]) == ssl.PEM_cert_to_DER_cert(broker.ca.read_text())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    everything = repr(done) + repr(wish_for(broker)) + caplog.text
    assert not any(secret in everything for secret in SECRETS)


def test_a_wrong_password_of_the_broker_is_named(plug_in, broker):
    home = plug_in(broker.ca)
    done = provision(home.port, wish_for(broker, broker_password="something else"), reading_s=1.0)
    assert (done.result, done.step) == ("failed", Step.READING)
    assert done.reason.startswith("Login: ")
    assert "something else" not in done.reason


def test_a_module_that_never_comes_is_named(plug_in, broker):
    done = provision(plug_in(None).port, wish_for(broker), reading_s=0.5)
    assert (done.result, done.step) == ("failed", Step.READING)
    assert done.reason.startswith("Message: No message of module")


def test_a_network_out_of_reach_is_named(plug_in, broker):
    home = plug_in()
    done = provision(home.port, wish_for(broker, ssid="Elsewhere"))
    assert (done.result, done.step) == ("failed", Step.WIFI)
    assert "2.4 GHz" in done.reason
    assert home.module.settings["mqtt_host"] == ""


def test_a_wrong_password_of_the_network_is_named(plug_in, broker):
    home = plug_in()
    done = provision(home.port, wish_for(broker, password="wrong horse"))
    assert (done.result, done.step) == ("failed", Step.WIFI)
    assert "Check the password" in done.reason
    assert home.module.settings["wifi_ssid"] == ""


def test_a_broker_that_is_not_there_and_one_of_another_authority_are_named(plug_in, broker, tmp_path):
    make_ca(tmp_path)
    (foreign,) = tmp_path.glob("*ca.pem")
    for place, words in (
        (f"127.0.0.1:1?ca={broker.ca}", "Connection: No connection to 127.0.0.1, port 1"),
        (f"127.0.0.1:{broker.port}?ca={foreign}", "Encryption: The certificate of 127.0.0.1 is not signed by"),
    ):
        url = parse_url(f"mqtts://anna@{place}")
        done = provision(plug_in().port, wish_for(broker, broker=url), reading_s=0.5)
        assert (done.result, done.step) == ("failed", Step.READING)
        assert done.reason.startswith(words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ssid": ""}, "no name"),
        ({"ssid": "x" * 33}, "0 to 32 bytes"),
        ({"password": "short"}, "at least 8"),
        ({"password": "x" * 64}, "0 to 63 bytes"),
        ({"broker_password": "x" * 64}, "0 to 63 bytes"),
    ],
)
def test_what_no_module_takes_is_refused_before_it_is_asked(plug_in, broker, changes, words):
    home = plug_in()
    before = dict(home.module.settings)
    done = provision(home.port, wish_for(broker, **changes))
    assert (done.result, done.step) == ("refused", Step.WIFI)
    assert words in done.reason
    assert dict(home.module.settings) == before


def test_a_certificate_that_is_none_is_refused(plug_in, broker, tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    url = parse_url(f"mqtts://127.0.0.1?ca={tmp_path / 'ca.pem'}")
    done = provision(plug_in().port, wish_for(broker, broker=url, broker_password=None))
    assert done.result == "refused"
    assert "certificate" in done.reason


def test_wifi_alone_and_an_open_network(plug_in):
    home = plug_in()
    assert provision(home.port, Wish("Guests", "")).result == "ok"
    assert home.module.settings["wifi_ssid"] == "Guests"


def test_the_wait_for_a_reading_can_be_somebody_elses(plug_in, broker):
    asked = []

    def wait(url: MqttUrl, seconds: float) -> LinkError:
        asked.append((url.eui, url.token, seconds))
        return LinkError(LinkErrorKind.SILENT, "Nothing came.")

    home = plug_in()
    done = provision(home.port, wish_for(broker), first_reading=wait, reading_s=3.0)
    assert (done.result, done.reason) == ("failed", "Nothing came.")
    assert asked == [(home.module.info.eui, "home", 3.0)]


def test_nobody_else_may_have_the_port(plug_in, broker):
    home = plug_in()
    with leased(home.port.port):
        done = provision(home.port, wish_for(broker))
    assert done.result == "refused"


def test_stopping_between_network_and_broker_writes_no_more(plug_in, broker):
    stop = threading.Event()
    home = plug_in()
    progress = lambda step: step is Step.SETTINGS and stop.set()  # noqa: E731
    done = provision(home.port, wish_for(broker), progress=progress, cancelled=stop)
    assert (done.result, done.step) == ("failed", Step.SETTINGS)
    assert done.reason.startswith("Stopped.")
    assert (home.module.settings["wifi_ssid"], home.module.settings["mqtt_host"]) == ("Workshop", "")


def test_stopping_ends_the_wait(plug_in, broker):
    stop = threading.Event()
    home = plug_in(None)

    def progress(step: Step) -> None:
        if step is Step.READING:
            stop.set()

    done = provision(home.port, wish_for(broker), reading_s=600.0, progress=progress, cancelled=stop)
    assert done.result == "failed"
    assert "Stopped" in done.reason
