"""Every way in which a broker can't be used: the link says why and what to do, the doctor names the failing part."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from device_io.doctor import Check
from device_io.mqtt import dialling, doctor
from device_io.mqtt.doctor import NAMES, examine_broker
from device_io.mqtt.payload import encode_payload
from device_io.mqtt.wifi_link import WifiLink
from device_io.source import LinkError, LinkErrorKind, LinkPhase
from tests.fakes.certificates import Authority, make_ca, make_client_cert, make_server_cert
from tests.fakes.home_broker import embedded_broker
from tests.fakes.mosquitto import Mosquitto, free_port
from tests.fakes.mqtt_publisher import Publisher, sound_values
from tests.fakes.recording_sink import RecordingSink

EUI, OTHER = "0253454E000000C1", "0253454E000000C2"


class Brokers(NamedTuple):
    """One mosquitto of each kind, and the files of an authority."""

    folder: Path
    ca: Authority
    good: Mosquitto
    plain: Mosquitto
    other_name: Mosquitto
    expired: Mosquitto
    mutual: Mosquitto
    locked: Mosquitto


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    folder = tmp_path_factory.mktemp("refusals")
    ca = make_ca(folder)

    def make(name: str, **options: object) -> Mosquitto:
        place = folder / name
        place.mkdir()
        return Mosquitto(place, **options)  # type: ignore[arg-type]

    all_of_them = Brokers(
        folder,
        ca,
        make("good", tls=ca),
        make("plain"),
        make("other", tls=(ca, make_server_cert(ca, folder, ("broker.example",), stem="other"))),
        make("expired", tls=(ca, make_server_cert(ca, folder, expired=True, stem="expired"))),
        make("mutual", tls=ca, require_certificate=True),
        make("locked", tls=ca, passwords={"anna": "right"}),
    )
    running = all_of_them[2:]
    for broker in running:
        broker.start()
    yield all_of_them
    for broker in running:
        broker.stop()


class Case(NamedTuple):
    """place: which broker. query: of the URL. part: of the doctor's chain. words: in the sentence for people."""

    place: str
    query: str
    kind: LinkErrorKind
    part: str
    words: str


K, D = LinkErrorKind, doctor
CA, NO_CA = "?ca={ca}", ""
CASES = {
    "refused port": Case("localhost:{free}", CA, K.NO_CONNECTION, D.CONNECTION, "nobody listens"),
    "plain port": Case("localhost:{plain}", CA, K.NOT_TLS, D.ENCRYPTION, "8883"),
    "wrong host name": Case("localhost:{other_name}", CA, K.WRONG_HOST_NAME, D.ENCRYPTION, "not for localhost"),
    "unknown authority": Case("localhost:{good}", "?ca={stranger}", K.UNKNOWN_CA, D.ENCRYPTION, "ca=FILE"),
    "no authority given": Case("localhost:{good}", NO_CA, K.UNKNOWN_CA, D.ENCRYPTION, "ca=FILE"),
    "expired": Case("localhost:{expired}", CA, K.CERTIFICATE_EXPIRED, D.ENCRYPTION, "Check the clock"),
    "no login": Case("localhost:{locked}", CA, K.LOGIN_REFUSED, D.LOGIN, "without a user name"),
    "wrong password": Case("anna@localhost:{locked}", CA, K.LOGIN_REFUSED, D.LOGIN, "user anna"),
    "missing file": Case("localhost:{good}", "?ca=nowhere.pem", K.BAD_URL, D.ENCRYPTION, "does not exist"),
    "a folder": Case("localhost:{good}", "?ca={folder}", K.BAD_URL, D.ENCRYPTION, "is not the certificate"),
    "missing key": Case(
        "localhost:{good}", CA + "&cert={ca}&key=gone.pem", K.BAD_URL, D.ENCRYPTION, "key=gone.pem does"
    ),
    "not a certificate": Case("localhost:{good}", "?ca={rubbish}", K.BAD_URL, D.ENCRYPTION, "PEM"),
    "impossible host": Case("{long}", CA, K.NO_SUCH_HOST, D.ADDRESS, "no host named"),
}


def url_of(case: Case, brokers: Brokers) -> str:
    folder = brokers.folder
    (folder / "rubbish.pem").write_text("rubbish")
    ports = {name: getattr(brokers, name).port for name in Brokers._fields[2:]}
    files = {
        "ca": brokers.ca.cert,
        "stranger": make_ca(folder, "stranger").cert,
        "rubbish": folder / "rubbish.pem",
        "folder": folder,
    }
    place = case.place.format(**ports, free=free_port(), long="x" * 70)
    return f"mqtts://{place}/home/{EUI}{case.query.format(**files)}"


def failure_of(url: str, password: str = "wrong") -> LinkError:
    sink = RecordingSink()
    link = WifiLink(url, reconnect=False, prompt=lambda _: password)
    link.start(sink)
    try:
        state = sink.wait_for_phase(LinkPhase.FAILED)
    finally:
        link.stop()
    assert sink.states[-1].phase == LinkPhase.FAILED, "nothing is told after the failure"
    assert state.error is not None
    return state.error


def bad_part(checks: list[Check]) -> Check:
    """The one bad part: all before it fine, all behind it not looked at."""
    assert tuple(check.name for check in checks) == NAMES
    bad = [check.state for check in checks].index("bad")
    assert all(check.state in ("ok", "warn") for check in checks[:bad])
    assert all(check.state == "unknown" for check in checks[bad + 1 :])
    return checks[bad]


@pytest.mark.parametrize("name", CASES)
def test_each_refusal_says_why(name: str, brokers: Brokers) -> None:
    case = CASES[name]
    url = url_of(case, brokers)
    error = failure_of(url)
    assert error.kind == case.kind
    assert case.words in str(error)
    check = bad_part(examine_broker(url, listen_s=0.5, prompt=lambda _: "wrong"))
    assert check.name == case.part
    assert case.words in f"{check.text} {check.advice}"
    assert check.advice


@pytest.mark.parametrize("stranger", [False, True])
def test_a_missing_client_certificate_is_explained(brokers: Brokers, stranger: bool) -> None:
    """With TLS 1.3 the refusal follows the handshake and can be lost, so that it may take three attempts."""
    url = f"mqtts://localhost:{brokers.mutual.port}/home/{EUI}?ca={brokers.ca.cert}"
    if stranger:
        pair = make_client_cert(make_ca(brokers.folder, "stranger"), brokers.folder, "stranger-client")
        url += f"&cert={pair.cert}&key={pair.key}"
    sink = RecordingSink()
    link = WifiLink(url)
    link.start(sink)
    try:
        error = sink.wait_for_phase(LinkPhase.FAILED).error
    finally:
        link.stop()
    assert error is not None
    assert LinkPhase.LOST not in sink.phases, "nothing is told before it is clear"
    assert error.kind == LinkErrorKind.CLIENT_CERTIFICATE
    assert "client certificate" in str(error)
    assert "cert=FILE&key=FILE" in str(error)
    check = bad_part(examine_broker(url, listen_s=0.5))
    assert check.name == doctor.LOGIN
    assert "certificate" in check.text


def test_a_client_certificate_opens_the_door(brokers: Brokers) -> None:
    pair = make_client_cert(brokers.ca, brokers.folder, "anna")
    url = f"mqtts://localhost:{brokers.mutual.port}?ca={brokers.ca.cert}&cert={pair.cert}&key={pair.key}"
    checks = examine_broker(url, listen_s=0.1)
    # The certificates of the tests hold for two days.
    assert [check.state for check in checks] == ["ok", "ok", "warn", "ok", "ok", "bad"]
    assert "more days" in checks[2].text


def test_the_right_password_opens_the_door(brokers: Brokers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("right\n")
    monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(tmp_path / "password"))
    url = f"mqtts://anna@localhost:{brokers.locked.port}/home/{EUI}?ca={brokers.ca.cert}"
    with Publisher(brokers.locked, "anna", "right") as publisher:
        publisher.repeat(f"v1/home/devices/{EUI}/0/bin", encode_payload(sound_values()), every_s=0.1)
        checks = examine_broker(url, listen_s=30.0)
    assert [check.state for check in checks] == ["ok", "ok", "warn", "ok", "ok", "ok"]


def test_no_password_anywhere_is_told(brokers: Brokers) -> None:
    url = f"mqtts://anna@localhost:{brokers.locked.port}/home/{EUI}?ca={brokers.ca.cert}"
    check = bad_part(examine_broker(url, listen_s=0.1))
    assert check.name == doctor.LOGIN
    assert "SENSIX_PASSWORD_FILE" in check.advice


def test_a_host_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(dialling.socket, "getaddrinfo", unknown)
    assert failure_of(f"mqtts://broker.example/home/{EUI}").kind == LinkErrorKind.NO_SUCH_HOST


def test_a_port_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "TLS_TIMEOUT_S", 0.5)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        url = f"mqtts://localhost:{mute.getsockname()[1]}/home/{EUI}"
        assert failure_of(url).kind == LinkErrorKind.NOT_TLS
        began_s = time.monotonic()
        link = WifiLink(url)
        monkeypatch.setattr(dialling, "TLS_TIMEOUT_S", 30.0)
        sink = RecordingSink()
        link.start(sink)
        link.stop()
        assert time.monotonic() - began_s < 6.0, "a handshake that hangs does not hold up the end"


def test_a_topic_that_is_not_allowed(tmp_path: Path) -> None:
    with embedded_broker(tmp_path) as broker:
        password = broker.add_module(OTHER)
        url = f"mqtts://{OTHER}@localhost:{broker.port}/home/{EUI}?ca={broker.ca_file}"
        error = failure_of(url, password)
        check = bad_part(examine_broker(url, listen_s=0.1, prompt=lambda _: password))
    assert error.kind == LinkErrorKind.TOPIC_REFUSED
    assert f"v1/home/devices/{EUI}/0/bin" in str(error)
    assert check.name == doctor.RIGHTS


def test_a_wrong_eui_is_seen_by_who_else_is_heard(brokers: Brokers) -> None:
    url = f"{brokers.plain.url}/home/{EUI}"
    with Publisher(brokers.plain) as publisher:
        publisher.repeat(f"v1/home/devices/{OTHER}/0/bin", encode_payload(sound_values()), every_s=0.1)
        check = bad_part(examine_broker(url, listen_s=4.0))
    assert check.name == doctor.MESSAGE
    assert f"home/{OTHER}" in check.text


def test_a_message_that_is_none_of_a_module(brokers: Brokers) -> None:
    url = f"{brokers.plain.url}/home/{EUI}"
    with Publisher(brokers.plain) as publisher:
        publisher.repeat(f"v1/home/devices/{EUI}/0/bin", b"21.5", every_s=0.1)
        check = examine_broker(url, listen_s=30.0)[-1]
    assert check.state == "warn"
    assert "4 bytes" in check.text


def test_a_silent_module_is_told_and_comes_back(brokers: Brokers) -> None:
    sink = RecordingSink()
    link = WifiLink(f"{brokers.plain.url}/home/{EUI}", silent_s=1.0)
    link.start(sink)
    try:
        state = sink.wait_for_phase(LinkPhase.LOST)
        assert state.error is not None
        assert state.error.kind == LinkErrorKind.SILENT
        with Publisher(brokers.plain) as publisher:
            publisher.repeat(f"v1/home/devices/{EUI}/0/bin", encode_payload(sound_values()), every_s=0.1)
            sink.wait_for_phase(LinkPhase.CONNECTED)
        lost = sink.wait_for_phase(LinkPhase.LOST)  # again
        assert lost.error is not None
        assert lost.error.kind == LinkErrorKind.STALLED
    finally:
        link.stop()
    assert failure_of_silence(brokers).kind == LinkErrorKind.SILENT


def failure_of_silence(brokers: Brokers) -> LinkError:
    sink = RecordingSink()
    link = WifiLink(f"{brokers.plain.url}/home/{EUI}", silent_s=0.3, reconnect=False)
    link.start(sink)
    error = sink.wait_for_phase(LinkPhase.FAILED).error
    link.stop()
    assert error is not None
    return error
