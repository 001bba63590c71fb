"""From facts and results to the words of the firmware page."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.firmware_page.facts import Facts, Keeping, look_up, mac_of
from app.firmware_page.modules import Connected, Used, connected_module
from app.firmware_page.orders import order_for
from app.firmware_page.stages import Kind
from app.firmware_page.words import (
    backup_words,
    changes_of,
    done,
    failed,
    package_words,
    ready,
    recovery,
    safety_words,
    without_options,
)
from device_io.boot_log import Finding, Severity
from device_io.discovery.module_list import ModuleList, Presence
from device_io.flashing.backups import Backup, BackupStore
from device_io.flashing.journal import Journal, Unfinished
from device_io.flashing.result import FlashOptions, FlashResult
from device_io.virtual_module.module import VirtualModule
from firmware_images.maker import app_image, partition_table
from firmware_images.opening import open_package
from firmware_images.plan import Write
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker
from tests.fakes.firmware_backup import write_backup_of
from widgets.firmware.model import Phase

EUI = "0253454E00000001"
MODULE = Connected("usb:/dev/ttyUSB0", EUI, "Cellar", "virtual 1.0.0")
KEY = firmware_maker.new_key()
TRUSTED = TrustedKey(KEY.public_key().public_bytes_raw(), "Sensix")


def bundle(folder: Path, version: str, key=KEY, **changes) -> Path:
    content = {firmware_maker.APP_OFFSET: app_image(version=version, size=8192)}
    return firmware_maker.bundle(folder / f"{version}.zip", key=key, version=version, content=content, **changes)


def package(folder: Path, version: str, key=KEY, **changes):
    return open_package(bundle(folder, version, key, **changes), trusted_keys=[TRUSTED])


def keeping(folder: Path, **changes) -> Keeping:
    facts = {
        "store": BackupStore(folder / "backups"),
        "journal": Journal(folder / "journal"),
        "folders": [folder],
        "keys": lambda: [TRUSTED],
        "places": lambda: frozenset(),
    }
    return Keeping(**{**facts, **changes})


class TestWhichModule:
    info = VirtualModule("clean", eui=EUI).info
    other = VirtualModule("clean", eui="0253454E00000002").info

    def modules(self, *links):
        known = ModuleList()
        for url, info, presence in links:
            known.see(url, info, presence)
        return known.modules()

    def test_that_which_is_measured_with_comes_first(self) -> None:
        modules = self.modules(("usb:/dev/ttyUSB1", self.other, Presence.READY))
        found = connected_module(Used("usb:/dev/ttyUSB0", self.info), modules)
        assert found is not None
        assert (found.eui, found.paused) == (EUI, ("usb:/dev/ttyUSB0",))

    def test_measured_over_the_network_and_plugged_in_as_well(self) -> None:
        wifi = f"mqtts://broker/home/{EUI}"
        modules = self.modules(
            ("usb:/dev/ttyUSB1", self.other, Presence.READY),
            (wifi, self.info, Presence.USED),
            ("usb:/dev/ttyUSB0", self.info, Presence.READY),
        )
        found = connected_module(Used(wifi, self.info), modules)
        assert found is not None
        assert (found.url, found.paused) == ("usb:/dev/ttyUSB0", (wifi,))  # its other link pauses too

    def test_another_one_is_not_disturbed(self) -> None:
        modules = self.modules(("usb:/dev/ttyUSB1", self.other, Presence.READY))
        found = connected_module(Used(f"mqtts://broker/home/{EUI}", self.info), modules)
        assert found is not None
        assert (found.eui, found.paused) == (self.other.eui, ())

    def test_a_module_of_a_group(self) -> None:
        modules = self.modules(("usb:/dev/ttyUSB1", self.other, Presence.USED))
        group = Used("usb:/dev/ttyUSB0 usb:/dev/ttyUSB1", self.info._replace(eui=None))
        found = connected_module(group, modules)
        assert found is not None
        assert found.paused == ("usb:/dev/ttyUSB0", "usb:/dev/ttyUSB1")

    def test_what_is_unplugged_does_not_count(self) -> None:
        modules = self.modules(("usb:/dev/ttyUSB1", self.other, Presence.LOST))
        assert connected_module(None, modules) is None
        silent = connected_module(None, modules, ["rs485:/dev/ttyS0", "usb:/dev/ttyUSB1"])
        assert silent is not None
        assert (silent.eui, silent.firmware) == (None, "")
        assert "ttyUSB1" in silent.name


class TestWhatThereIs:
    def test_the_newest_that_is_trusted(self, tmp_path) -> None:
        bundle(tmp_path, "1.5.0")
        bundle(tmp_path, "2.0.0")
        bundle(tmp_path, "3.0.0", key=None)
        bundle(tmp_path, "3.1.0", key=firmware_maker.new_key())
        facts = look_up(keeping(tmp_path), MODULE, None)
        assert facts.package is not None
        assert facts.package.version == "2.0.0"
        chosen = look_up(keeping(tmp_path), MODULE, tmp_path / "3.0.0.zip")
        assert chosen.package is not None
        assert (chosen.package.version, chosen.package.signature) == ("3.0.0", "none")

    def test_what_is_for_another_board_is_not_offered(self, tmp_path) -> None:
        bundle(tmp_path, "1.5.0", boards=["sensix-3pn"])
        bundle(tmp_path, "2.0.0", boards=["sensix-1p"])
        for kind, version in (("3PN-PowerMonitor1", "1.5.0"), ("1P-PowerMonitor1", "2.0.0"), ("", "2.0.0")):
            facts = look_up(keeping(tmp_path), replace(MODULE, type=kind), None)
            assert facts.package is not None
            assert facts.package.version == version

    def test_nothing_newer_and_something_damaged(self, tmp_path) -> None:
        bundle(tmp_path, "1.0.0")
        (tmp_path / "4.0.0.zip").write_bytes(b"PK\x03\x04 no more")
        facts = look_up(keeping(tmp_path), MODULE, None)
        assert facts.packages == ()
        assert facts.problem.startswith("4.0.0.zip: ")
        assert look_up(keeping(tmp_path), MODULE, tmp_path / "5.0.0.zip").problem

    def test_the_backup_of_this_module_and_its_layout(self, tmp_path) -> None:
        store = BackupStore(tmp_path / "backups")
        write_backup_of(store, EUI, mac_of(EUI), partition_table(two_slots=True), made_ns=2)
        write_backup_of(store, "0253454E00000002", "02:53:45:00:00:02", partition_table(two_slots=False), made_ns=3)
        facts = look_up(keeping(tmp_path), MODULE, None)
        assert facts.backup is not None
        assert (facts.backup.made_ns, facts.two_slots) == (2, True)
        other = Connected("usb:x", "0253454E00000002", "Other", "1.0.0")
        assert look_up(keeping(tmp_path), other, None).two_slots is False
        unknown = Connected("usb:x", "0253454E00000003", "Third", "1.0.0")
        assert look_up(keeping(tmp_path), unknown, None).backup is None

    def test_the_backup_that_was_picked_is_the_one_that_is_put_back(self, tmp_path) -> None:
        store = BackupStore(tmp_path / "backups")
        for made_ns in (1_000_000_000, 3_000_000_000, 2_000_000_000):
            write_backup_of(store, EUI, mac_of(EUI), partition_table(), made_ns=made_ns)
        facts = look_up(keeping(tmp_path), MODULE, None)
        assert [backup.made_ns // 1_000_000_000 for backup in facts.backups] == [3, 2, 1]
        assert facts.backup == facts.backups[0]

        def restored(picked: Path | None) -> Path:
            asked: list[Path] = []
            order = order_for(Kind.RESTORE, MODULE, facts.picking(picked), FlashOptions())
            assert order is not None
            order.work(SimpleNamespace(restore=asked.append))
            return asked[0]

        assert restored(facts.backups[2].path) == facts.backups[2].path
        assert restored(None) == restored(tmp_path / "gone.zip") == facts.backups[0].path

    def test_what_was_begun_leads_to_a_port_that_is_there(self, tmp_path) -> None:
        kept = keeping(tmp_path, places=lambda: frozenset({"usb:/dev/ttyUSB0"}))
        kept.journal.begin(unfinished())
        facts = look_up(kept, None, None)
        assert facts.unfinished == unfinished()
        assert facts.module is not None
        assert (facts.module.url, facts.module.eui) == ("usb:/dev/ttyUSB0", None)
        gone = look_up(keeping(tmp_path), None, None)
        assert gone.unfinished is not None
        assert gone.module is None
        assert look_up(kept, MODULE, None).unfinished == unfinished()
        other = Connected("usb:/dev/ttyUSB0", "0253454E00000002", "Other", "1.0.0")
        assert look_up(kept, other, None).unfinished is None


def unfinished(backup: Path | None = None) -> Unfinished:
    writes = (Write(0x10000, b"a" * 4096, "ota_0"),)
    return Unfinished(mac_of(EUI), "ESP32", "usb:/dev/ttyUSB0", "flash", "2.0.0", "1.0.0", backup, 1, writes)


class TestHeadlines:
    @pytest.mark.parametrize(
        ("version", "title", "action"),
        [
            ("2.0.0", "2.0.0 is ready for Cellar", None),
            ("1.0.0", "1.0.0 runs on Cellar already", "Write"),
            ("0.9.0", "0.9.0 can be put back on Cellar", "Put it on"),
        ],
    )
    def test_newer_same_and_older(self, tmp_path, version, title, action) -> None:
        headline = ready("Cellar", "virtual 1.0.0", package(tmp_path, version), True)
        assert (headline.phase, headline.title, headline.action) == (Phase.READY, title, action)
        assert ("step back" in headline.lead) == (version == "0.9.0")

    def test_nothing_to_offer_and_nothing_that_can_be_used(self) -> None:
        none = ready("Cellar", "virtual 1.0.0", None, False)
        assert (none.phase, none.action) == (Phase.READY, "")
        wrong = ready("Cellar", "virtual 1.0.0", None, True, "It is damaged. Get it again.")
        assert (wrong.phase, wrong.lead, wrong.action) == (Phase.FAILED, "It is damaged. Get it again.", "")
        assert ready("Module on COM5", "", None, False).action == ""

    def test_a_failure_names_its_cause_and_the_way_on(self) -> None:
        finding = Finding("brown-out", Severity.BAD, "The supply voltage broke down", "Use another cable.")
        result = FlashResult(
            "failed", "It did not answer.", unfinished=True, findings=(finding,), guide=("Hold BOOT.",)
        )
        headline = recovery("Cellar", unfinished(), result)
        assert headline.phase is Phase.RECOVERY
        assert headline.guide[:2] == ("Hold BOOT.", "The supply voltage broke down. Use another cable.")
        assert not headline.can_go_back
        assert not any("Go back" in step for step in headline.guide)
        with_backup = recovery("Cellar", unfinished(Path(__file__)), result)
        assert with_backup.can_go_back
        assert any("Go back" in step for step in with_backup.guide)

    def test_refused(self) -> None:
        headline = failed("Cellar", FlashResult("refused", "It is for another chip."))
        assert (headline.title, headline.lead) == ("Nothing was written to Cellar", "It is for another chip.")

    def test_what_differs_afterwards_is_said(self) -> None:
        same = done(Kind.UPDATE, "Cellar", FlashResult("ok", version="virtual 2.0.0"))
        assert same.title == "Cellar runs 2.0.0"
        other = done(Kind.UPDATE, "Cellar", FlashResult("ok", version="2.0.0", differences=tuple("abcde")))
        assert "a b c And 2 more." in other.lead


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("The disk is full. Make room, or choose --no-backup.", "The disk is full. Make room."),
        ("It fell silent. Try again; use a lower --baud if it stays so.", "It fell silent. Try again."),
        ("It can't be kept. Use --no-backup.", "It can't be kept."),
        ("Use a signed bundle, or allow it with --allow-unsigned if you made it yourself.", "Use a signed bundle."),
        ("Version 2.0.1-rc.1 is right -- as it is.", "Version 2.0.1-rc.1 is right -- as it is."),
    ],
)
def test_the_window_names_no_options_of_the_command_line(told, shown) -> None:
    assert without_options(told) == shown


def test_signatures_are_named_as_they_are(tmp_path) -> None:
    signed = package_words(package(tmp_path, "2.0.0"))
    assert (signed.signed, signed.signature, signed.date) == (True, "Signed by Sensix", "built 5 Jan 2026")
    assert package_words(package(tmp_path, "2.0.1", None)).signature == "Not signed"
    unknown = package_words(package(tmp_path, "2.0.2", firmware_maker.new_key()))
    assert (unknown.signed, unknown.signature) == (False, "Signed by an unknown key")
    assert package_words(None).version == ""


def test_notes_become_lines(tmp_path) -> None:
    notes = ["Better. In two ways. Or three.", "Faster: by half", "Smaller.", "v2.1 of the protocol"]
    shown = changes_of(package(tmp_path, "2.0.0", notes=notes))
    assert [(change.title, change.detail) for change in shown] == [
        ("Better", "In two ways. Or three."),
        ("Faster", "By half"),
        ("Smaller", ""),
        ("v2.1 of the protocol", ""),
    ]


def test_two_slots_are_claimed_where_there_are_two() -> None:
    assert "slot" in safety_words(True, True)[1]
    assert "slot" not in safety_words(True, False)[1]
    assert "slot" not in safety_words(True, None)[1]
    assert safety_words(False, True)[2] is False


def test_a_backup_in_words() -> None:
    made = datetime(2026, 11, 22, 14, 31)
    told = {"settings": {"name": "Cellar"}}
    path = Path.home() / "x" / "y.zip"
    backup = Backup(path, "m", "ESP32", "virtual 1.0.0", round(made.timestamp() * 1e9), 4194304, "ab" * 32, told)
    words = backup_words(backup, made)
    assert words.taken == "today 14:31, with version 1.0.0"
    assert words.content == "whole flash, 4 194 304 bytes, with settings and calibration"
    assert words.kept_in == str(Path("~") / "x")
    assert backup_words(backup, datetime(2026, 11, 23)).taken.startswith("22 Nov 2026 14:31")
    assert Facts().package is None
