"""Keys: private ones stay private, public ones are read from files and folders."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from firmware_images.errors import ImageError, Reason
from firmware_images.signing import (
    TRUSTED_KEYS,
    is_locked,
    is_private,
    key_id_of,
    load_key,
    load_trusted_keys,
    make_key,
    signature_state,
)
from tests.fakes.firmware_maker import key_id, new_key


def refused(kind: Reason, path: Path, passphrase: str | None = None) -> None:
    with pytest.raises(ImageError) as caught:
        load_key(path, passphrase)
    assert caught.value.kind is kind


def test_a_new_key_signs_and_is_trusted(tmp_path: Path) -> None:
    made = make_key(tmp_path / "key.pem")
    key = load_key(tmp_path / "key.pem")
    assert key_id_of(key) == made.key_id
    (trusted,) = load_trusted_keys(tmp_path / "key.pem.pub")
    assert trusted.public_key == made.public_key
    assert signature_state(b"text", key.sign(b"text"), made.key_id, [trusted]) == "trusted"
    assert signature_state(b"text", key.sign(b"text"), made.key_id, []) == "unknown"
    assert signature_state(b"text", None, None, [trusted]) == "none"


def test_only_the_owner_reads_a_private_key(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_key(tmp_path / "key.pem")
    finally:
        os.umask(before)
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert is_private(tmp_path / "key.pem")
    assert b"PRIVATE" not in (tmp_path / "key.pem.pub").read_bytes()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem")
    whole = (tmp_path / "key.pem").read_bytes()
    with pytest.raises(ImageError) as caught:
        make_key(tmp_path / "key.pem")
    assert caught.value.kind is Reason.BAD_KEY
    assert (tmp_path / "key.pem").read_bytes() == whole


def test_a_passphrase_locks_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    made = make_key(path, "correct horse")
    assert is_locked(path)
    refused(Reason.BAD_KEY, path)
    refused(Reason.BAD_KEY, path, "wrong")
    assert key_id_of(load_key(path, "correct horse")) == made.key_id
    make_key(tmp_path / "plain.pem")
    assert not is_locked(tmp_path / "plain.pem")
    refused(Reason.BAD_KEY, tmp_path / "plain.pem", "needless")


def test_no_error_tells_a_key(tmp_path: Path) -> None:
    make_key(tmp_path / "key.pem")
    text = (tmp_path / "key.pem").read_text()
    (tmp_path / "cut.pem").write_text(text[:-40])
    with pytest.raises(ImageError) as caught:
        load_key(tmp_path / "cut.pem")
    secret = text.splitlines()[1][-30:]
    assert secret not in caught.value.sentence
    assert secret not in repr(load_key(tmp_path / "key.pem"))


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_other_keys_are_refused(kind: str, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, 2048)
    path = tmp_path / "key.pem"
    encoding, none = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, none))
    refused(Reason.BAD_KEY, path)
    path.write_bytes(key.public_key().public_bytes(encoding, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ImageError):
        load_trusted_keys(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"hello")
    refused(Reason.BAD_KEY, tmp_path / "key.pem")
    refused(Reason.UNREADABLE, tmp_path / "none.pem")
    for text in ("hello", "[]", '{"keys": 5}', '{"keys": [{"name": "a", "public_key": "00"}]}', '{"keys": [5]}'):
        (tmp_path / "keys.json").write_text(text)
        with pytest.raises(ImageError) as caught:
            load_trusted_keys(tmp_path / "keys.json")
        assert caught.value.kind is Reason.BAD_KEY


def test_public_keys_of_a_folder(tmp_path: Path) -> None:
    listed = new_key()
    made = make_key(tmp_path / "key.pem.private")
    (tmp_path / "keys.json").write_text(json.dumps({"keys": [{"name": "Lab", "public_key": key_id(listed)}]}))
    assert {key.key_id for key in load_trusted_keys(tmp_path)} == {made.key_id, key_id(listed)}
    assert load_trusted_keys(tmp_path / "keys.json")[0].name == "Lab"


def test_the_keys_that_come_with_the_application_can_be_read() -> None:
    assert all(len(key.public_key) == 32 for key in load_trusted_keys(TRUSTED_KEYS))
    assert load_trusted_keys(TRUSTED_KEYS.with_name("none.json")) == ()


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65)])
def test_a_signature_that_does_not_hold(signature: bytes) -> None:
    for key in (key_id(new_key()), "00" * 32, "01" + "00" * 31, "ec" + "ff" * 30 + "7f", "ff" * 32, "nonsense"):
        with pytest.raises(ImageError) as caught:
            signature_state(b"text", signature, key, [])
        assert caught.value.kind is Reason.TAMPERED
