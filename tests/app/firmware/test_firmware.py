"""firmware flash, backup, restore: what they print, how they end, and that a refusal leaves every byte as it was."""

from __future__ import annotations

import argparse
import io
import json
import random
import sys
import threading
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.firmware import keeping
from app.output import Output, Refused, WrongUsage
from app.stopping import Stop
from app.verbs import firmware
from device_io.flashing.result import FlashOptions, Stage
from device_io.flashing.survey import board_of, suits_board
from device_io.virtual_module.module import VirtualModule
from firmware_images.maker import app_image
from tests.fakes import firmware_maker as maker
from tests.fakes.firmware_site import FirmwareSite
from tests.fakes.flash_bench import FLASH_SIZE, NAME, FlashBench, bundle, package

pytestmark = pytest.mark.timeout(300)  # whole flashes are read and written


class Printed:
    """What a sub-verb printed, and how it ended (the sentence of its refusal, "" when done)."""

    def __init__(self, text: str, notes: str, refused: str) -> None:
        self.text, self.notes, self.refused = text, notes, refused

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """run(*arguments): `firmware ...` in this process, nobody at the keyboard."""
    monkeypatch.setenv("SENSIX_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("app.verbs.firmware_jobs.FlashOptions", partial(FlashOptions, confirm_s=60.0))

    def run(*arguments: object) -> Printed:
        parser = argparse.ArgumentParser()
        firmware.add_arguments(parser)
        parser.add_argument("--json", action="store_true")
        args = parser.parse_args([str(argument) for argument in arguments])
        capsys.readouterr()
        refused = ""
        try:
            assert firmware.run(args, Output(as_json=args.json, stop=Stop())) == 0
        except Refused as why:
            refused = str(why)
            assert refused
        captured = capsys.readouterr()
        return Printed(captured.out, captured.err, refused)

    return run


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One module for all refusals: each must leave it as it was."""
    with FlashBench(tmp_path_factory.mktemp("module")) as bench:
        yield bench


def test_flash_backup_and_restore_tell_each_stage(run: Any, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    with FlashBench(tmp_path) as bench:
        bench.name_it()
        printed = run("flash", bench.url, path, "--trusted-key", tmp_path / "keys.json", "--yes", "--json")
        *progress, result = printed.lines
        assert (result["result"], result["reason"], result["version"]) == ("ok", "", "2.0.0")
        assert Path(result["backup"]).is_relative_to(tmp_path / "data" / "backups")
        assert all(set(line) == {"stage", "done", "total", "eta_s"} for line in progress)
        stages = list(dict.fromkeys(line["stage"] for line in progress))
        assert stages == ["check", "release", "identify", "backup", "write", "verify", "reset", "confirm"]
        assert progress[-1]["stage"] == "confirm"
        assert bench.firmware() == "2.0.0"

        kept = tmp_path / "kept.zip"
        printed = run("backup", bench.url.removeprefix("usb:"), kept)
        assert printed.text == f"The module runs 2.0.0. Backup: {kept}\n"
        assert "Back up the whole flash" in printed.notes
        assert "Choose another name" in run("backup", bench.url, kept).refused
        bench.name_it("Attic")
        assert "say --yes" in run("restore", bench.url, kept).refused
        assert run("restore", bench.url, kept, "--yes", "--no-backup", "--json").lines[-1]["result"] == "ok"
        assert bench.identity().name == NAME
        bench.name_it("Attic")
        assert run("restore", bench.url, kept, "--yes", "--settings-only").refused == ""
        assert bench.module.settings["name"] == NAME


def changed_zip(path: Path, **changes: bytes) -> Path:
    """The same bundle with other files in it."""
    with zipfile.ZipFile(path) as old:
        files = [(info.filename, changes.get(info.filename, old.read(info))) for info in old.infolist()]
    path.write_bytes(maker.zip_of(files))
    return path


def spoilt_app(folder: Path, change: Any, **more: Any) -> Path:
    """A bundle, soundly signed, whose application was changed before."""
    app = change(app_image(size=40_000, flash_size=FLASH_SIZE, compressible=False))
    return bundle(folder, key=maker.new_key(), content_changes={maker.APP_OFFSET: app}, **more)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


BAD = {
    "wrong chip": (lambda folder: bundle(folder, chip="ESP32-C3"), "for ESP32-C3"),
    "wrong chip at the application's place": (
        lambda folder: spoilt_app(folder, lambda _: app_image(version="2.0.0", chip="ESP32-S3", flash_size=FLASH_SIZE)),
        "is for the ESP32-S3",
    ),
    "wrong board": (lambda folder: bundle(folder, boards=["sensix-1p"]), "the module is a sensix-3pn"),
    "wrong wiring": (lambda folder: bundle(folder, wiring_types=["1P"]), "the module is a 3P+N one"),
    "wrong place": (lambda folder: bundle(folder, moved={maker.APP_OFFSET: 0x18000}), "starts at 0x10000"),
    "overlapping": (
        lambda folder: bundle(folder, content_changes={0x9000: b"a" * 0x1800, 0xA000: b"b" * 0x100}),
        "overlaps",
    ),
    "for a larger flash": (lambda folder: bundle(folder, flash_size=0x400000), "has 1024 KiB"),
    "truncated": (lambda folder: spoilt_app(folder, lambda app: app[:20_000]), "bytes are missing"),
    "checksum": (lambda folder: spoilt_app(folder, lambda app: flipped(app, 30_000)), "damaged"),
    "hash": (lambda folder: spoilt_app(folder, lambda app: flipped(app, len(app) - 1)), "SHA-256"),
    "encrypted": (lambda folder: spoilt_app(folder, lambda app: random.Random(1).randbytes(len(app))), "encrypted"),
    "path that leads out": (lambda folder: bundle(folder, renamed={"app.bin": "../app.bin"}), "Do not use"),
    "absolute path": (lambda folder: bundle(folder, renamed={"app.bin": "/etc/app.bin"}), "Do not use"),
    "zip bomb": (lambda folder: changed_zip(bundle(folder), **{"bootloader.bin": bytes(60 << 20)}), "grows more than"),
    "tampered part": (
        lambda folder: changed_zip(bundle(folder), **{"app.bin": app_image(version="2.0.0", seed=9)}),
        "not the file that the manifest describes",
    ),
    "tampered manifest": (
        lambda folder: changed_zip(
            bundle(folder), **{"manifest.json": manifest_of(folder).replace(b"Measures", b"Measured")}
        ),
        "signature does not match",
    ),
    "too new for what runs": (lambda folder: bundle(folder, minimum_version="1.5.0"), "Install 1.5.0 first"),
}


def manifest_of(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "2.0.0.zip") as archive:
        return archive.read("manifest.json")


@pytest.mark.parametrize(
    ("boards", "fits"),
    [
        (["sensix-1p", "sensix-3pn"], True),
        (["3PN-PowerMonitor1"], True),
        (["sensix-1p"], False),
        (["heater-2"], False),
        (["13pn"], False),
    ],
)
def test_the_module_tells_its_board(boards: list[str], fits: bool) -> None:
    kind = VirtualModule("clean").info.type
    assert (board_of(kind, boards) in boards) == suits_board(kind, boards) == fits
    assert board_of("", boards) is None
    assert suits_board("", boards)
    assert suits_board(kind, [])


def test_firmware_for_another_board_is_refused(
    run: Any, bench: FlashBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.verbs.firmware_jobs.FlashOptions", partial(FlashOptions, ask_s=30.0))
    path, before = bundle(tmp_path, boards=["sensix-1p"]), bench.written
    printed = run("flash", bench.url, path, "--trusted-key", tmp_path / "keys.json", "--no-backup", "--yes", "--json")
    assert "is for sensix-1p; the module is a 3PN-PowerMonitor1" in printed.refused
    assert (printed.lines[-1]["result"], bench.written) == ("refused", before)


@pytest.mark.parametrize("what", BAD)
def test_what_does_not_belong_there_is_refused_and_nothing_written(
    what: str, run: Any, bench: FlashBench, tmp_path: Path
) -> None:
    make, words = BAD[what]
    path = make(tmp_path)
    before = bench.written
    options = ("--trusted-key", tmp_path / "keys.json", "--board", "sensix-3pn", "--no-backup", "--yes", "--json")
    printed = run("flash", bench.url, path, *options)
    assert words in printed.refused
    assert (printed.lines[-1]["result"], printed.lines[-1]["reason"]) == ("refused", printed.refused)
    assert bench.written == before
    assert "Traceback" not in printed.notes


def test_strangers_and_nobodys_signatures_need_a_deliberate_word(run: Any, bench: FlashBench, tmp_path: Path) -> None:
    before = bench.written
    printed = run("flash", bench.url, bundle(tmp_path), "--yes", "--json")
    assert "not trusted here" in printed.refused
    maker.build_folder(tmp_path / "build")
    printed = run("flash", bench.url, tmp_path / "build", "--yes", "--json")
    assert "not signed" in printed.refused
    assert bench.written == before


def test_nobody_at_the_keyboard_means_no(run: Any, bench: FlashBench, tmp_path: Path) -> None:
    path, before = bundle(tmp_path), bench.written
    printed = run("flash", bench.url, path, "--trusted-key", tmp_path / "keys.json")
    assert "--yes" in printed.refused
    assert printed.text == ""
    assert bench.written == before


def test_a_person_is_asked(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    def type_in(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", Keyboard(text))

    path = bundle(tmp_path)
    options = ("--trusted-key", tmp_path / "keys.json", "--json")
    with FlashBench(tmp_path) as bench:
        before = bench.written
        type_in("n\n")
        assert run("flash", bench.url, path, *options).refused == "Nothing was done."
        assert bench.written == before

        interrupted = threading.Event()
        flasher = bench.flasher(
            cancelled=interrupted, on_progress=lambda told: told.stage is Stage.VERIFY and interrupted.set()
        )
        flasher._store, flasher._journal = keeping.backup_store(), keeping.journal()
        assert flasher.flash(package(tmp_path)).unfinished
        type_in("y\nx\n")
        printed = run("flash", bench.url, path, *options)
        assert "not finished" in printed.refused
        assert printed.lines[-1]["unfinished"]
        assert "--go-back" in printed.notes
        type_in("y\nb\n")
        printed = run("flash", bench.url, path, *options)
        assert (printed.lines[-1]["result"], printed.lines[-1]["version"]) == ("ok", "1.0.0")
        type_in("y\n")
        assert run("flash", bench.url, path, *options).lines[-1]["version"] == "2.0.0"


def test_the_bundles_of_the_user_are_listed_too(run: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "bundles"
    folder.mkdir(parents=True)
    maker.bundle(folder / "mine.zip", version="9.9.9")
    assert "9.9.9" in [line["version"] for line in run("list", "--json").lines]


def test_the_list_online(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No address" in run("list", "--online").refused
    (tmp_path / "site").mkdir()
    site = FirmwareSite(tmp_path / "site")
    try:
        site.publish("2.0.0", "2.1.0")
        monkeypatch.setenv("SENSIX_FIRMWARE_URL", site.url)
        assert "nobody who is trusted" in run("list", "--online").refused
        keys = {"keys": [{"name": "Maker", "public_key": site.keys[0].key_id}]}
        (tmp_path / "data" / "keys").mkdir(parents=True)
        (tmp_path / "data" / "keys" / "maker.json").write_text(json.dumps(keys))
        assert [line["version"] for line in run("list", "--online", "--json").lines] == ["2.1.0", "2.0.0"]
        assert "2.1.0, ESP32, signed" in run("list", "--online").text
    finally:
        site.stop()
    assert "can't be reached" in run("list", "--online").refused


def test_what_makes_no_sense_is_told(run: Any, tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="--baud"):
        run("flash", "/dev/ttyX", "x.zip", "--baud", "12")
    with pytest.raises(WrongUsage, match="is not a port for this"):
        run("flash", "rs485:/dev/ttyX", "x.zip")
    with pytest.raises(WrongUsage, match="Name the firmware"):
        run("flash", "/dev/ttyX", "--yes")
    with pytest.raises(WrongUsage, match="Name the backup"):
        run("restore", "/dev/ttyX", "--yes")
    assert "no file" in run("flash", "/dev/ttyX", tmp_path / "none.zip", "--yes", "--json").refused
    assert "no file" in run("restore", "/dev/ttyX", tmp_path / "none.zip", "--yes").refused
    assert "Nothing was broken off" in run("flash", "/dev/ttyX", "--finish", "--yes").refused


def test_a_port_that_is_not_there(run: Any, tmp_path: Path) -> None:
    path = bundle(tmp_path)
    printed = run("flash", "/dev/ttyNone", path, "--trusted-key", tmp_path / "keys.json", "--yes", "--json")
    assert printed.lines[-1]["result"] == "refused"
    assert "no serial port /dev/ttyNone" in printed.refused
