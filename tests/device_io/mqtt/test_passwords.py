"""Where a broker's password comes from: the keyring, a file, a person, in this order."""

from __future__ import annotations

from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import NoKeyringError

from device_io.mqtt.passwords import find_password, store_password
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url


class Memory(KeyringBackend):
    """A keyring of a test."""

    priority = 1.0

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Broken(Memory):
    """What a headless computer has."""

    def get_password(self, service: str, username: str) -> str | None:
        raise NoKeyringError("none")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NoKeyringError("none")


def url(text: str = "mqtts://anna@broker.example/home/0253454E00000001") -> MqttUrl:
    parsed = parse_url(text)
    assert isinstance(parsed, MqttUrl)
    return parsed


def test_the_order_is_keyring_file_person(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    memory = Memory()
    monkeypatch.setattr(keyring.core, "_keyring_backend", memory)
    assert find_password(url(), lambda _: "typed") == "typed"
    (tmp_path / "secret").write_text("from file\nsecond line\n")
    monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(tmp_path / "secret"))
    assert find_password(url(), lambda _: "typed") == "from file"
    assert store_password(url(), "kept")
    assert memory.kept == {("sensix", "anna@broker.example:8883"): "kept"}
    assert find_password(url(), lambda _: "typed") == "kept"


def test_without_a_keyring_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", Broken())
    assert not store_password(url(), "kept")
    assert find_password(url(), lambda sentence: sentence) == "Password of anna@broker.example:8883"


def test_nobody_is_asked_without_a_user() -> None:
    assert find_password(url("mqtts://broker.example"), lambda _: pytest.fail("asked")) is None


@pytest.mark.parametrize("given_up", [None, ""])
def test_no_password_is_one_clear_sentence(given_up: str | None) -> None:
    with pytest.raises(LinkError, match="SENSIX_PASSWORD_FILE") as failure:
        find_password(url(), lambda _: given_up)
    assert failure.value.kind == LinkErrorKind.LOGIN_REFUSED


def test_a_password_file_that_cant_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(LinkError, match="can't be read"):
        find_password(url())
