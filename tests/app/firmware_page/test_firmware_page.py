"""The Firmware page against a virtual module whose chip is flashed by unmodified esptool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.firmware_page.facts import mac_of
from app.firmware_page.page import FirmwarePage
from device_io.flashing.result import FlashOptions, Stage
from firmware_images.maker import partition_table
from tests.fakes.firmware_backup import write_backup_of
from tests.fakes.firmware_page_bench import FLASH, Bench, hold_next, question, stage_runs, until_phase
from widgets.controls.paragraph import Paragraph
from widgets.firmware.model import Phase, StageState

LEFT = Qt.MouseButton.LeftButton
QUICK = FlashOptions(baud=115_200, confirm_s=60.0)
WITHOUT_BACKUP = FlashOptions(baud=115_200, confirm_s=60.0, backup=False)
LONG_MS = 60_000

pytestmark = pytest.mark.timeout(240)  # the whole flash is read twice: seconds on a quiet computer


@pytest.fixture
def make_bench(tmp_path: Path, qtbot: QtBot) -> Iterator:
    made: list[Bench] = []

    def make(options: FlashOptions = QUICK) -> Bench:
        made.append(Bench(tmp_path, qtbot, options))
        return made[-1]

    yield make
    for bench in made:
        bench.close()


def test_an_update_from_the_page_and_back(make_bench) -> None:
    bench = make_bench()
    bench.bundle("2.0.0")
    bench.measure()
    page = bench.open()
    until_phase(bench, Phase.READY)
    assert page.panel.title.text.startswith("2.0.0 is ready for")
    QTest.mouseClick(page.panel.primary, LEFT)
    box = question()
    assert "from 1.0.0 to 2.0.0" in box.title.text
    assert not box.tick.isVisible()
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS) as told:
        QTest.mouseClick(box.yes, LEFT)
        assert not bench.session.is_connected
        assert page.panel.phase is Phase.RUNNING
    assert told.args[0].firmware.endswith("2.0.0")
    bench.qtbot.waitUntil(
        lambda: page.panel.versions.accessibleDescription().startswith("installed 2.0.0"), timeout=30_000
    )
    assert page.panel.title.text.endswith("runs 2.0.0")
    assert [stage.state for stage in page.panel.stages.stages] == [StageState.DONE] * 7
    assert page.panel.backup.chip.text == "Saved and verified"
    assert "slot" in page.panel.safety.text.text  # the layout in the backup has two

    QTest.mouseClick(page.panel.backup.restore, LEFT)
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS) as told:
        QTest.mouseClick(question().yes, LEFT)
        assert "slot" not in page.panel.safety.text.text  # a backup goes over both
    assert told.args[0].firmware.endswith("1.0.0")
    until_phase(bench, Phase.DONE)
    assert len(bench.store.list()) == 2


def test_another_backup_is_put_back(make_bench) -> None:
    bench = make_bench(WITHOUT_BACKUP)
    bench.measure()
    eui = str(bench.module.info.eui)
    for made_ns in (1_700_000_000_000_000_000, 1_600_000_000_000_000_000):
        write_backup_of(bench.store, eui, mac_of(eui), partition_table(size=FLASH), made_ns=made_ns)
    page = bench.open()
    until_phase(bench, Phase.READY)
    card = page.panel.backup
    assert card.choice.count() == 2
    card.choice.setFocus()
    QTest.keyClick(card.choice, Qt.Key.Key_Down)
    page._look_again()
    bench.qtbot.waitUntil(lambda: not page._background._told, timeout=30_000)
    assert "2020" in str(card.choice.currentText())
    QTest.mouseClick(card.restore, LEFT)
    assert "09.2020" in question().paragraphs[0].text
    QTest.mouseClick(question().yes, LEFT)  # its flash has another size
    until_phase(bench, Phase.FAILED, LONG_MS)
    assert "another size" in page.panel.lead.text


def test_a_tampered_bundle_is_not_used(make_bench) -> None:
    bench = make_bench()
    bench.measure()
    page = bench.open()
    until_phase(bench, Phase.READY)
    assert "no newer firmware" in page.panel.title.text
    assert not page.panel.primary.isVisible()
    path = bench.bundle("2.0.0")
    data = bytearray(path.read_bytes())
    at = data.index(b"manifest.sig") + len(b"manifest.sig") + 8
    data[at] ^= 1
    path.write_bytes(data)
    page.choose_image(path)
    until_phase(bench, Phase.FAILED)
    assert "not used" in page.panel.title.text
    assert page.panel.lead.text.endswith(".")
    assert not page.panel.primary.isVisible()
    assert bench.session.is_connected
    good = bench.bundle("2.0.1")
    page.choose_image(good)
    until_phase(bench, Phase.READY)
    assert page.panel.primary.isVisible()


def test_who_vouches_for_nothing_has_to_say_so_twice(make_bench) -> None:
    bench = make_bench(WITHOUT_BACKUP)
    path = bench.bundle("2.0.0", signed=False)
    bench.measure()
    page = bench.open()
    page.choose_image(path)
    bench.qtbot.waitUntil(page.panel.primary.isVisible, timeout=30_000)  # without an image it is ready too
    assert page.panel.phase is Phase.READY
    assert page.panel.versions.signature.text == "Not signed"
    assert "no way back" in page.panel.safety.title.text  # without a backup it is not called safe
    QTest.mouseClick(page.panel.primary, LEFT)
    box = question()
    assert "not signed" in box.paragraphs[0].text
    QTest.mouseClick(box.yes, LEFT)
    assert box.isVisible()
    assert not page.is_busy
    box.tick.click()
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS) as told:
        QTest.mouseClick(box.yes, LEFT)
    assert told.args[0].firmware.endswith("2.0.0")
    until_phase(bench, Phase.DONE)


def writing(bench: Bench, patch: pytest.MonkeyPatch) -> FirmwarePage:
    """The page in the midst of writing what it offered."""
    page = bench.open()
    until_phase(bench, Phase.READY)
    hold_next(patch, Stage.WRITE)
    QTest.mouseClick(page.panel.primary, LEFT)
    QTest.mouseClick(question().yes, LEFT)
    bench.qtbot.waitUntil(lambda: stage_runs(page, 3), timeout=30_000)
    return page


def test_what_was_stopped_in_the_midst_is_finished_on_another_day(make_bench, monkeypatch) -> None:
    bench = make_bench(WITHOUT_BACKUP)
    bench.bundle("2.0.0", size=400_000)
    bench.measure()
    page = writing(bench, monkeypatch)
    assert page.panel.stages.stages[2].detail == "Left out"
    QTest.mouseClick(page.panel.stop, LEFT)
    assert page.is_busy
    assert "Writing has begun" in question().paragraphs[0].text
    QTest.mouseClick(question().yes, LEFT)
    until_phase(bench, Phase.RECOVERY, LONG_MS)
    (unfinished,) = bench.journal.pending()
    assert unfinished.version == "2.0.0"
    assert "2.0.0" in page.panel.title.text
    assert len(page.panel.guide.steps) >= 2
    assert not page.panel.back.isEnabled()  # no backup was made
    page.choose_image(bench.folder / "nothing.zip")
    bench.qtbot.waitUntil(lambda: "nothing.zip" in page.panel.lead.text, timeout=30_000)
    assert page.panel.phase is Phase.RECOVERY
    page.choose_image(bench.bundle("2.0.1"))  # another firmware is a way on too
    until_phase(bench, Phase.READY)
    QTest.mouseClick(page.panel.primary, LEFT)
    assert "given up" in question().paragraphs[0].text
    QTest.mouseClick(question().no, LEFT)
    page.end()
    page.close()

    page = bench.open()  # a new start of the program
    until_phase(bench, Phase.RECOVERY)
    QTest.mouseClick(page.panel.primary, LEFT)
    QTest.mouseClick(question().yes, LEFT)
    until_phase(bench, Phase.DONE, LONG_MS)
    assert page.panel.title.text.endswith("runs 2.0.0")
    assert bench.journal.pending() == []
    bench.measure()


def test_going_back_from_what_was_stopped_in_the_midst(make_bench, monkeypatch) -> None:
    bench = make_bench()
    bench.bundle("2.0.0", size=250_000)
    bench.measure()
    page = writing(bench, monkeypatch)
    QTest.mouseClick(page.panel.stop, LEFT)
    QTest.mouseClick(question().yes, LEFT)
    until_phase(bench, Phase.RECOVERY, LONG_MS)
    assert not bench.session.is_connected
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS) as told:
        QTest.mouseClick(page.panel.back, LEFT)
        QTest.mouseClick(question().yes, LEFT)
    assert told.args[0].firmware.endswith("1.0.0")
    until_phase(bench, Phase.DONE)
    assert page.panel.stages.stages[2].state is StageState.SKIPPED


def test_stopped_before_writing_nothing_has_happened(make_bench, monkeypatch) -> None:
    bench = make_bench()
    bench.bundle("2.0.0")
    bench.measure()
    page = bench.open()
    until_phase(bench, Phase.READY)
    hold_next(monkeypatch, Stage.BACKUP)
    QTest.mouseClick(page.panel.primary, LEFT)
    QTest.mouseClick(question().yes, LEFT)
    bench.qtbot.waitUntil(lambda: stage_runs(page, 2), timeout=30_000)
    with bench.qtbot.waitSignal(bench.session.identified, timeout=30_000) as told:
        QTest.mouseClick(page.panel.stop, LEFT)
        assert page.panel.phase is Phase.STOPPING
    assert told.args[0].firmware.endswith("1.0.0")
    until_phase(bench, Phase.FAILED)
    assert "Nothing was written" in page.panel.lead.text
    assert bench.journal.pending() == []
    hold_next(monkeypatch, Stage.RELEASE)
    QTest.mouseClick(page.panel.primary, LEFT)  # try again: it was asked before
    bench.qtbot.waitUntil(lambda: stage_runs(page, 1), timeout=30_000)


def test_the_window_is_not_closed_over_a_job_without_a_question(make_bench, monkeypatch) -> None:
    bench = make_bench()
    bench.bundle("2.0.0")
    bench.measure()
    page = bench.open()
    assert page.may_close()
    until_phase(bench, Phase.READY)
    hold_next(monkeypatch, Stage.BACKUP)
    QTest.mouseClick(page.panel.primary, LEFT)
    QTest.mouseClick(question().yes, LEFT)
    bench.qtbot.waitUntil(lambda: stage_runs(page, 2), timeout=30_000)
    assert not page.may_close()
    QTest.mouseClick(question().no, LEFT)
    assert page.is_busy
    assert not page.may_close()
    with bench.qtbot.waitSignal(page.close_wanted, timeout=30_000):
        QTest.mouseClick(question().yes, LEFT)
    assert page.may_close()
    assert bench.journal.pending() == []


def test_without_a_module_the_page_says_what_to_do(make_bench) -> None:
    bench = make_bench()
    page = bench.open()
    assert page.panel.phase is Phase.EMPTY
    assert not page.panel.primary.isVisible()


def test_into_the_network(make_bench) -> None:
    bench = make_bench()
    bench.measure()
    page = bench.open()
    until_phase(bench, Phase.READY)
    page.panel.show_view("wifi")
    wifi = page.panel.wifi
    with bench.qtbot.waitSignal(bench.session.identified, timeout=30_000):
        QTest.mouseClick(wifi.search, LEFT)
        assert not wifi.provision.isEnabled()
    bench.qtbot.waitUntil(lambda: wifi.networks._networks != (), timeout=30_000)
    assert [network.name for network in wifi.networks._networks] == ["Workshop", "Guests", "Garden"]
    wifi.name.setText("Workshop")
    wifi.password.setText("correct horse")
    with bench.qtbot.waitSignal(bench.session.identified, timeout=30_000):
        QTest.mouseClick(wifi.provision, LEFT)
    bench.qtbot.waitUntil(lambda: "joined" in wifi.told.text, timeout=30_000)
    assert bench.module.settings["wifi_ssid"] == "Workshop"
    wifi.name.setText("Elsewhere")
    wifi.password.setText("correct horse")
    with bench.qtbot.waitSignal(bench.session.identified, timeout=LONG_MS):
        QTest.mouseClick(wifi.provision, LEFT)
    bench.qtbot.waitUntil(lambda: "could not join" in wifi.told.text, timeout=30_000)
    assert wifi.password.text() == ""
    wifi.password.setText("correct horse")
    assert not wifi.broker_password.isVisible()
    wifi.set_broker("http://anna@broker")
    assert wifi.broker_password.isVisible()  # a user has a password
    QTest.mouseClick(wifi.provision, LEFT)
    assert wifi.told.text.startswith("This is no broker.")
    assert bench.session.is_connected


def test_what_the_module_prints_is_shown_and_explained(make_bench, monkeypatch) -> None:
    monkeypatch.setattr("app.firmware_page.log.LISTEN_S", 1.0)
    bench = make_bench()
    page = bench.open()
    bench.measure()
    until_phase(bench, Phase.READY)
    log = page.panel.boot_log
    bench.qtbot.waitUntil(lambda: "SPI_FAST_FLASH_BOOT" in log.box.text, timeout=30_000)
    bench.qtbot.waitUntil(
        lambda: any("firmware starts" in label.text for label in log.findChildren(Paragraph)), timeout=30_000
    )
    log.set_log("Brownout detector was triggered")
    QTest.mouseClick(log.explain, LEFT)
    assert any("voltage" in label.text for label in log.findChildren(Paragraph) if label.isVisibleTo(log))
    with bench.qtbot.waitSignal(bench.session.identified, timeout=30_000):
        page.panel.show_view("log")
        QTest.mouseClick(log.read, LEFT)
        assert not bench.session.is_connected


def test_a_virtual_module_goes_on_while_measuring_pauses(make_bench) -> None:
    bench = make_bench()
    session = bench.session
    with bench.qtbot.waitSignal(session.identified, timeout=30_000) as before:
        session.start_demo("clean")
    url = bench.measured
    session.pause()
    assert session.is_paused
    assert not session.is_connected
    with bench.qtbot.waitSignal(session.identified, timeout=30_000) as after:
        session.resume([url])
    assert not session.is_paused
    assert after.args[0].boot_id == before.args[0].boot_id
