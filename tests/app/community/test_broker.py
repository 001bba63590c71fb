"""Address, authorities and password of the broker, as those of the WiFi link."""

from __future__ import annotations

from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import NoKeyringError

from app.community.broker import BrokerError, keep_password, parse_broker, password_of
from tests.fakes.certificates import make_ca, make_client_cert

BROKER = parse_broker("mqtts://me@broker.example")
NEW, OLD = ("sensix", "me@broker.example:8883"), ("sensix-community", "me@mqtts://broker.example:8883")


class Memory(KeyringBackend):
    """A keyring of a test. refuses: nothing can be written."""

    priority = 1  # type: ignore[assignment]

    def __init__(self, refuses: bool = False) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self._refuses = refuses

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self._refuses:
            raise NoKeyringError
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    made = Memory()
    monkeypatch.setattr(keyring.core, "_keyring_backend", made)
    monkeypatch.delenv("SENSIX_PASSWORD_FILE", raising=False)
    return made


def test_a_password_is_kept_beside_those_of_the_wifi_link(memory: Memory) -> None:
    assert keep_password(BROKER, "right horse")
    assert memory.entries == {NEW: "right horse"}
    assert password_of(BROKER) == "right horse"


def test_an_entry_of_before_moves(memory: Memory) -> None:
    memory.entries[OLD] = "from before"
    assert password_of(BROKER) == "from before"
    assert memory.entries == {NEW: "from before"}


def test_a_newer_entry_wins(memory: Memory) -> None:
    memory.entries = {OLD: "from before", NEW: "newer"}
    assert password_of(BROKER) == "newer"
    assert memory.entries == {NEW: "newer"}


def test_an_entry_of_before_is_not_lost_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Memory(refuses=True)
    full.entries[OLD] = "from before"
    monkeypatch.setattr(keyring.core, "_keyring_backend", full)
    with pytest.raises(BrokerError, match="SENSIX_PASSWORD_FILE"):
        password_of(BROKER)
    assert full.entries == {OLD: "from before"}


def test_nothing_is_looked_up_without_a_user(memory: Memory) -> None:
    assert password_of(parse_broker("mqtts://broker.example")) is None


def test_who_gives_up_is_told_what_to_do() -> None:
    with pytest.raises(BrokerError, match=r"me@broker\.example:8883"):
        password_of(BROKER, lambda _sentence: None)


def test_several_authorities_are_trusted_and_the_system_is_not(tmp_path: Path) -> None:
    one, other = make_ca(tmp_path, "one"), make_ca(tmp_path, "other")
    for broker in (
        parse_broker(f"mqtts://broker.example?ca={one.cert}", ca=[other.cert]),
        parse_broker("mqtts://broker.example", ca=[one.cert, other.cert]),
    ):
        context = broker.context()
        assert context is not None
        assert context.cert_store_stats()["x509_ca"] == 2


@pytest.mark.parametrize(
    "address",
    [
        "",
        "broker.example",
        "http://broker.example",
        "mqtts://",
        "mqtts://broker.example/topic",
        "mqtts://broker.example:99999",
        "mqtts://[::1",
        "mqtt://broker.example",
        "mqtt://192.168.1.5",
        "mqtts://user:secret@broker.example",
        "mqtts://user:secret@broker.example:99999",
        "mqtts://user:secret@/path",
        "mqtts://user:secret@broker.example/topic",
        "http://user:secret@broker.example",
        "mqtts://broker.example/home/0253454E00000001",
        "usb:COM5",
        "mqtts://broker.example?insecure=1",
        "mqtts://broker.example?ca=",
        "mqtts://broker.example?cert=a.pem",
        "mqtts://broker.example?cert=a.pem&cert=b.pem&key=a.key&key=b.key",
    ],
)
def test_addresses_that_are_refused(address: str) -> None:
    with pytest.raises(BrokerError) as caught:
        parse_broker(address)
    assert str(caught.value).endswith(".")
    assert "secret" not in str(caught.value)


def test_addresses() -> None:
    broker = parse_broker("mqtts://me@broker.example?ca=a.pem&cert=c.pem&key=c.key", ca=[Path("b.pem")])
    assert (broker.host, broker.port, broker.tls, broker.user) == ("broker.example", 8883, True, "me")
    assert [str(path) for path in broker.ca] == ["a.pem", "b.pem"]
    assert broker.address == "mqtts://broker.example:8883"
    assert parse_broker("mqtt://localhost").port == 1883
    assert parse_broker("mqtt://[::1]:77").address == "mqtt://[::1]:77"


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="no-such-ca"):
        parse_broker("mqtts://broker.example", ca=[tmp_path / "no-such-ca"]).context()
    ca = make_ca(tmp_path)
    mine, other = make_client_cert(ca, tmp_path, "mine"), make_client_cert(ca, tmp_path, "other")
    with pytest.raises(BrokerError, match="fits its key"):
        parse_broker(f"mqtts://broker.example?cert={mine.cert}&key={other.key}").context()
