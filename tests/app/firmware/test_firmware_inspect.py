"""firmware inspect, bundle, list: what they print, and how they end."""

from __future__ import annotations

import argparse
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from app.output import Output, Refused, WrongUsage
from app.stopping import Stop
from app.verbs import firmware_inspect
from firmware_images.signing import make_key
from tests.fakes import boot_signer
from tests.fakes import firmware_maker as maker


class Printed:
    """What a sub-verb printed."""

    def __init__(self, text: str, notes: str) -> None:
        self.text = text
        self.notes = notes

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def firmware(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `firmware ...` in this process."""

    def run(*arguments: object) -> Printed:
        parser = argparse.ArgumentParser()
        firmware_inspect.add_arguments(parser.add_subparsers(dest="sub_verb", required=True))
        parser.add_argument("--json", action="store_true")
        args = parser.parse_args([str(argument) for argument in arguments])
        capsys.readouterr()
        assert firmware_inspect.run(args, Output(as_json=args.json, stop=Stop())) == 0
        captured = capsys.readouterr()
        return Printed(captured.out, captured.err)

    return run


def test_inspect_tells_all_of_a_bundle(firmware: Any, tmp_path: Path) -> None:
    key = make_key(tmp_path / "key.pem")
    path = tmp_path / "a.zip"
    maker.build_folder(tmp_path / "build")
    firmware("bundle", tmp_path / "build", "--out", path, "--key", tmp_path / "key.pem", "--board", "b1")
    (told,) = firmware("inspect", path, "--json", "--trusted-key", tmp_path / "key.pem.pub").lines
    assert (told["kind"], told["chip"], told["version"], told["signature"]) == ("bundle", "ESP32", "2.1.0", "trusted")
    assert (told["boards"], told["key_id"], told["refusals"]) == (["b1"], key.key_id, [])
    assert [(part["offset"], part["size"], part["role"]) for part in told["parts"]] == [
        (offset, len(data), role)
        for (offset, data), role in zip(
            sorted(maker.parts().items()), ("bootloader", "partition-table", "ota-data", "app"), strict=True
        )
    ]
    assert told["parts"][3]["image"]["version"] == "2.1.0"
    assert [row["label"] for row in told["partitions"]] == ["nvs", "otadata", "phy_init", "ota_0", "ota_1", "cal"]
    text = firmware("inspect", path).text
    for words in ("sensix 2.1.0", "ESP32", "0x10000", "100000 bytes", key.key_id, "not trusted here", "ota_1"):
        assert words in text, words


def test_keys_in_the_users_folder_count_as_they_do_for_flashing(
    firmware: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path / "data"))
    make_key(tmp_path / "key.pem")
    (tmp_path / "bundles").mkdir()
    maker.build_folder(tmp_path / "build")
    firmware("bundle", tmp_path / "build", "--out", tmp_path / "bundles" / "a.zip", "--key", tmp_path / "key.pem")
    (tmp_path / "data" / "keys").mkdir(parents=True)
    (tmp_path / "key.pem.pub").rename(tmp_path / "data" / "keys" / "key.pem.pub")
    for command in (("inspect", tmp_path / "bundles" / "a.zip"), ("list", "--folder", tmp_path / "bundles")):
        (told,) = firmware(*command, "--json").lines
        assert told["signature"] == "trusted"


def test_inspect_of_what_is_not_signed_says_so(firmware: Any, tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(maker.app_image(chip="ESP32-C3"))
    (told,) = firmware("inspect", "--json", tmp_path / "app.bin").lines
    assert (told["kind"], told["chip"], told["signature"]) == ("image", "ESP32-C3", "none")
    assert [refusal["kind"] for refusal in told["refusals"]] == ["unsigned"]
    assert "refused: " in firmware("inspect", tmp_path / "app.bin").text


def test_json_may_stand_before_the_sub_verb(firmware: Any, tmp_path: Path) -> None:
    maker.build_folder(tmp_path)
    assert firmware("--json", "inspect", tmp_path).lines[0]["kind"] == "build-folder"


def test_inspect_of_what_is_broken_is_refused(firmware: Any, tmp_path: Path) -> None:
    (tmp_path / "app.bin").write_bytes(maker.app_image()[:5000])
    with pytest.raises(Refused, match="bytes are missing"):
        firmware("inspect", tmp_path / "app.bin")
    with pytest.raises(Refused, match="no file"):
        firmware("inspect", tmp_path / "none.bin")


def test_a_new_key_is_made_on_the_way(firmware: Any, tmp_path: Path) -> None:
    maker.build_folder(tmp_path / "build")
    (tmp_path / "notes.txt").write_text("\ufeffFirst.\n\n\tSecond\u00a0one.\n", encoding="utf-8")
    printed = firmware(
        "bundle", tmp_path / "build", "--out", tmp_path / "a.zip", "--key", tmp_path / "key.pem", "--new-key",
        "--notes", tmp_path / "notes.txt", "--minimum-version", "1.0.0", "--wiring", "1P", "--json",
    )  # fmt: skip
    (told,) = printed.lines
    assert (told["result"], told["path"]) == ("ok", str(tmp_path / "a.zip"))
    assert (told["notes"], told["minimum_version"], told["wiring_types"]) == (
        ["First.", " Second one."],
        "1.0.0",
        ["1P"],
    )
    secret = (tmp_path / "key.pem").read_text().splitlines()[1]
    assert secret not in printed.text + printed.notes
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    with pytest.raises(Refused, match="exists"):
        firmware("bundle", tmp_path / "build", "--out", tmp_path / "b.zip", "--key", tmp_path / "key.pem", "--new-key")
    assert not (tmp_path / "b.zip").exists()


def test_a_locked_key_takes_its_passphrase_from_a_file(
    firmware: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker.build_folder(tmp_path / "build")
    make_key(tmp_path / "key.pem", "correct horse")
    arguments = ("bundle", tmp_path / "build", "--out", tmp_path / "a.zip", "--key", tmp_path / "key.pem", "--json")
    monkeypatch.delenv("SENSIX_PASSWORD_FILE", raising=False)
    with pytest.raises(Refused, match="passphrase"):
        firmware(*arguments)
    (tmp_path / "secret").write_text("wrong\n")
    monkeypatch.setenv("SENSIX_PASSWORD_FILE", str(tmp_path / "secret"))
    with pytest.raises(Refused, match="passphrase is wrong"):
        firmware(*arguments)
    (tmp_path / "secret").write_text("correct horse\n")
    assert firmware(*arguments).lines[0]["signature"] == "trusted"


def test_a_bundle_without_key_is_not_signed(firmware: Any, tmp_path: Path) -> None:
    maker.build_folder(tmp_path)
    printed = firmware("bundle", tmp_path, "--out", tmp_path / "a.zip", "--json")
    assert printed.lines[0]["signature"] == "none"
    assert "--allow-unsigned" in printed.notes


def test_wrong_usage_is_told(firmware: Any, tmp_path: Path) -> None:
    maker.build_folder(tmp_path)
    with pytest.raises(WrongUsage):
        firmware("bundle", tmp_path, "--out", tmp_path / "a.zip", "--minimum-version", "old")
    with pytest.raises(WrongUsage):
        firmware("bundle", tmp_path, "--out", tmp_path / "a.zip", "--new-key")
    with pytest.raises(Refused, match="release notes"):
        firmware("bundle", tmp_path, "--out", tmp_path / "a.zip", "--notes", tmp_path / "none.txt")
    (tmp_path / "long.txt").write_text("line\n" * 201)
    with pytest.raises(Refused, match="too long"):
        firmware("bundle", tmp_path, "--out", tmp_path / "a.zip", "--notes", tmp_path / "long.txt")
    with pytest.raises(Refused, match="key file"):
        firmware("inspect", tmp_path, "--trusted-key", tmp_path / "none.pub")


def test_list_shows_bundles_and_names_the_broken(firmware: Any, tmp_path: Path) -> None:
    maker.bundle(tmp_path / "a.zip", version="2.0.0")
    maker.bundle(tmp_path / "b.zip", version="2.1.0")
    (tmp_path / "c.zip").write_bytes(b"hello")
    printed = firmware("list", "--folder", tmp_path, "--json")
    assert [(line["version"], Path(line["path"]).name) for line in printed.lines] == [
        ("2.1.0", "b.zip"),
        ("2.0.0", "a.zip"),
    ]
    assert "c.zip" in printed.notes
    assert "Sensix 2.1.0, ESP32" in firmware("list", "--folder", tmp_path).text
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no firmware bundle" in firmware("list", "--folder", empty).notes
    with pytest.raises(Refused, match="no folder"):
        firmware("list", "--folder", tmp_path / "none")


def test_inspect_names_the_key_of_a_signature_for_secure_boot(firmware: Any, tmp_path: Path) -> None:
    key = boot_signer.a_key("P-256")
    path = tmp_path / "app.bin"
    path.write_bytes(boot_signer.sign(tmp_path, maker.app_image(size=4096), key))
    (told,) = firmware("inspect", path, "--json").lines
    digest = boot_signer.digest(tmp_path, key)
    assert told["parts"][0]["image"]["secure_boot_keys"] == [{"scheme": "ECDSA", "key_digest": digest, "holds": True}]
    assert f"ECDSA key {digest}\n" in firmware("inspect", path).text
