"""Consent, preview and withdrawal on the page, with a real broker behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.community.consent import Choices
from app.community.outbox import Outbox
from app.community.sent_log import LogLimits
from app.community.service import Community
from app.map.page import MapPage
from app.preferences import Preferences
from app.readings_means import WHY
from app.sharing.link import SharingLink
from app.sharing.service import SharingService
from app.sharing.setup import Setup
from app.sharing.view import NO_MAP, SharingView
from app.sharing.words import NO_MODULE, NO_PLACE, OUTDATED
from tests.fakes.certificates import make_ca
from tests.fakes.community import Subscriber, last_end_s
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.session_signals import EUI, VALUES, SessionSignals
from tests.fakes.sharing_page import LEFT, PLACE, agree, fill, type_into
from tests.fakes.unused_port import unused_port
from widgets.theme import Theme

PICTURES = Path(__file__).resolve().parents[3] / "screenshots"


def missing(view: SharingView) -> str:
    return " ".join(view.preview._preview.missing)


def paint(page: MapPage, name: str) -> None:
    PICTURES.mkdir(exist_ok=True)
    for theme in ("light", "dark"):
        palette = page.palette()
        palette.setColor(page.backgroundRole(), Theme(theme).colour("bg"))
        page.setPalette(palette)
        page.setAutoFillBackground(True)
        page.set_theme(Theme(theme))
        for size in ((1364, 816), (952, 556)):
            page.resize(*size)
            page.set_compact(size[0] < 1290)
            QApplication.processEvents()
            assert page.grab().save(str(PICTURES / f"map-page-{name}-{theme}-{size[0]}.png"))


def test_the_preview_says_what_is_missing(qtbot: QtBot, view: SharingView, session: SessionSignals) -> None:
    qtbot.waitUntil(lambda: missing(view) == NO_MODULE, timeout=20_000)
    assert view.preview.text == ""
    session.connect_module()
    view._load_preview()
    assert missing(view) == NO_PLACE


def test_the_message_so_far_follows_what_is_chosen(
    qtbot: QtBot, page: MapPage, view: SharingView, session: SessionSignals, link: SharingLink
) -> None:
    session.connect_module()
    session.measure(last_end_s() + 600, 40)  # an interval that is under way until the test is over
    type_into(view.consent.position, PLACE)
    qtbot.waitUntil(lambda: b'"THV1":3.1' in view.preview._preview.payload, timeout=20_000)
    assert view.preview.chip.text == "Not sendable yet"
    assert "The message so far: its 10 minutes end at" in missing(view)
    assert '"Pc":null' in view.preview.text
    QTest.mouseClick(view.consent._boxes["power"], LEFT)
    qtbot.waitUntil(lambda: '"Pc":2345' in view.preview.text, timeout=20_000)
    assert '"1I3":null' in view.preview.text
    assert EUI not in view.preview.text
    assert "46.765" not in view.preview.text, "the centre of the cell and nothing nearer"
    QTest.mouseClick(view.preview.copy_button, LEFT)
    assert QGuiApplication.clipboard().text() == view.preview.text
    paint(page, "sharing")
    assert link.service.given is None, "a preview needs no consent"


def test_readings_are_called_so(
    qtbot: QtBot, page: MapPage, view: SharingView, session: SessionSignals, link: SharingLink
) -> None:
    session.connect_module("readings", "settings")
    session.measure(last_end_s(), 40, values={**VALUES, **{f"V{phase}r": 230.0 for phase in (1, 2, 3)}})
    type_into(view.consent.position, PLACE)
    qtbot.waitUntil(lambda: '"THV1":3.1' in view.preview.text, timeout=20_000)
    assert view.preview.note.text == WHY
    assert view.preview.note.isVisible()
    session.ended.emit()
    session.connect_module()
    session.measure(last_end_s(), 40)
    qtbot.waitUntil(lambda: view.preview.note.text == "", timeout=20_000)


def test_who_reads_the_message_is_left_in_peace(
    qtbot: QtBot, page: MapPage, view: SharingView, session: SessionSignals
) -> None:
    page.resize(952, 556)
    begin_s = last_end_s()
    session.connect_module()
    session.measure(begin_s, 20)
    type_into(view.consent.position, PLACE)
    qtbot.waitUntil(lambda: '"THV1":3.1' in view.preview.text, timeout=20_000)
    edit = view.preview.box.edit
    edit.verticalScrollBar().setValue(3)
    session.measure(begin_s + 40, 200, values={**VALUES, "THV1": 5.0})
    qtbot.waitUntil(lambda: '"THV1":3.1' not in view.preview.text, timeout=20_000)
    assert edit.verticalScrollBar().value() == 3
    edit.selectAll()
    before = edit.toPlainText()
    session.ended.emit()
    session.connect_module()
    session.measure(begin_s + 40, 20, values={**VALUES, "THV1": 7.0})
    view._load_preview()
    qtbot.waitUntil(lambda: not view._previewing, timeout=20_000)
    assert edit.toPlainText() == before


def test_consent_is_read_for_what_is_chosen(qtbot: QtBot, view: SharingView) -> None:
    def words() -> str:
        return " ".join(point for section in view._sections for point in (section.title, *section.points))

    assert "names an example" in words()
    fill(view, "mqtts://broker.example:9000")
    qtbot.waitUntil(lambda: "broker.example:9000" in words() and "u82f" in words(), timeout=20_000)
    assert "names an example" not in words()
    assert "load curve" not in words()
    QTest.mouseClick(view.consent._boxes["power"], LEFT)
    qtbot.waitUntil(lambda: "load curve" in words(), timeout=20_000)


@pytest.mark.parametrize(
    ("place", "words"), [("91, 0", "latitude of -90 to 90"), ("u8", "LAT,LON"), ("north pole", "LAT,LON")]
)
def test_a_wrong_place_is_told(qtbot: QtBot, view: SharingView, place: str, words: str) -> None:
    fill(view, "mqtt://127.0.0.1", place)
    qtbot.waitUntil(lambda: words in view.consent.position_hint.text, timeout=20_000)
    assert not view.consent.agree.isEnabled()


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ("", "not the address of a broker"),
        ("http://broker.example", "not the address of a broker"),
        ("mqtt://broker.example", "would send everything readable"),
        ("mqtts://me:word@broker.example", "holds no password"),
        ("mqtts://broker.example", NO_MAP),
    ],
)
def test_no_consent_for_a_broker_that_can_not_be_used(
    qtbot: QtBot, view: SharingView, link: SharingLink, broker: str, words: str
) -> None:
    fill(view, broker)
    QTest.mouseClick(view.consent.agree, LEFT)
    qtbot.waitUntil(lambda: words in view.addresses.state.text, timeout=20_000)
    assert link.service.given is None


def test_from_consent_to_withdrawal(
    qtbot: QtBot, page: MapPage, view: SharingView, session: SessionSignals, link: SharingLink, tmp_path: Path
) -> None:
    authority = make_ca(tmp_path)
    with Mosquitto(tmp_path, tls=authority) as broker, Subscriber(broker.port, authority.cert) as subscriber:
        session.connect_module()
        assert "no measurement leaves" in page.banner.text
        fill(view, f"mqtts://localhost:{broker.port}?ca={authority.cert}")
        QTest.mouseClick(view.addresses.backdated, LEFT)
        agree(qtbot, view, link)
        assert "cell u82f" in page.banner.text
        assert view.consent.position.text() == "u82f", "the exact place is gone"
        end_s = last_end_s() - 1200
        session.measure(end_s - 600, 301)
        qtbot.waitUntil(lambda: len(subscriber.received) >= 1, timeout=20_000)
        qtbot.waitUntil(lambda: "Sent so far: 1 message," in view.consent.sent.text, timeout=20_000)
        paint(page, "sharing-on")
        log = tmp_path / "sent.jsonl"
        assert view.addresses.log_button.isEnabled()
        view.save_log(log)
        qtbot.waitUntil(lambda: "Saved sent.jsonl" in view.addresses.state.text, timeout=20_000)
        (line,) = (json.loads(text) for text in log.read_text(encoding="utf-8").splitlines())
        assert (line["topic"], line["payload"].encode()) == subscriber.received[0]
        QTest.mouseClick(view.consent.withdraw, LEFT)
        qtbot.waitUntil(lambda: "no measurement leaves" in page.banner.text, timeout=20_000)
        session.measure(end_s, 302)
        qtbot.waitUntil(lambda: len(link.service.own.present(end_s).trend) >= 2, timeout=20_000)
        assert len(subscriber.received) == 1


def one_waits(qtbot: QtBot, view: SharingView, session: SessionSignals, link: SharingLink) -> None:
    """Sharing is on, to a broker that is not there: one interval waits."""
    session.connect_module()
    fill(view, f"mqtt://127.0.0.1:{unused_port()}")
    QTest.mouseClick(view.addresses.backdated, LEFT)  # full 10 minutes may pass meanwhile: then it is late
    agree(qtbot, view, link)
    session.measure(last_end_s() - 600, 301)
    qtbot.waitUntil(lambda: unsent(view) >= 1, timeout=20_000)
    assert unsent(view) == 1


def unsent(view: SharingView) -> int:
    return view._state.counts.waiting + view._state.counts.late


def test_withdrawing_deletes_what_waits_with_one_click(
    qtbot: QtBot, view: SharingView, session: SessionSignals, link: SharingLink, tmp_path: Path
) -> None:
    one_waits(qtbot, view, session, link)
    qtbot.waitUntil(lambda: view.preview.chip.text == "As it is sent", timeout=20_000)
    QTest.mouseClick(view.consent.withdraw, LEFT)
    qtbot.waitUntil(lambda: view._state.given is None and unsent(view) == 0, timeout=20_000)
    with Outbox(tmp_path / "data") as outbox:
        assert (outbox.counts().waiting, outbox.counts().late) == (0, 0)
    assert not view.consent.withdraw.isVisible()


def test_the_exact_place_is_written_nowhere(
    qtbot: QtBot, view: SharingView, session: SessionSignals, link: SharingLink, tmp_path: Path
) -> None:
    session.connect_module()
    session.measure(last_end_s(), 20)
    fill(view, f"mqtt://127.0.0.1:{unused_port()}")
    QTest.keyClick(view.consent.position, Qt.Key.Key_Tab)
    qtbot.waitUntil(lambda: view.preview.text != "", timeout=20_000)
    agree(qtbot, view, link)
    link.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "window.json" for path in files)
    for path in files:
        content = path.read_bytes()
        for part in (b"46.76", b"23.59", b"u82fb"):
            assert part not in content, (path.name, part)


def test_addresses_and_cell_are_remembered(
    qtbot: QtBot, page: MapPage, view: SharingView, preferences: Preferences, link: SharingLink, tmp_path: Path
) -> None:
    fill(view, "mqtts://broker.example")
    type_into(view.addresses.map_url, "http://127.0.0.1:1")
    QTest.keyClick(view.addresses.map_url, Qt.Key.Key_Tab)
    assert page.map.view.canvas._own == "u82f"
    assert view.consent.position.text() == "u82f", "what is nearer is forgotten when the field is left"
    again = MapPage(link, Preferences(tmp_path / "window.json"))
    qtbot.addWidget(again)
    assert again.sharing.addresses.map_url.text() == "http://127.0.0.1:1"
    assert again.sharing.addresses.broker.text() == "mqtts://broker.example"
    assert again.sharing.consent.position.text() == "u82f"
    assert again.map.view.canvas._own == "u82f"


def test_consent_to_another_text_is_asked_for_again(
    qtbot: QtBot, session: SessionSignals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("app.community.consent.VERSION", "0")
        Community(tmp_path / "old").give(Choices("u82f", "mqtts://broker.example"))
    link = SharingLink(session, tmp_path / "old", None)  # type: ignore[arg-type]
    try:
        view = SharingView(link, Setup())
        qtbot.addWidget(view)
        qtbot.waitUntil(lambda: view.addresses.state.text == OUTDATED, timeout=20_000)
        assert not view.consent.withdraw.isVisibleTo(view)
    finally:
        link.close()


def test_the_limits_of_the_log_are_chosen_beside_it(
    qtbot: QtBot, view: SharingView, session: SessionSignals, link: SharingLink, tmp_path: Path
) -> None:
    one_waits(qtbot, view, session, link)
    assert (view.addresses.log_days.value, view.addresses.log_mb.value) == (365, 100)
    view.addresses.log_days.set_value(30)
    view.addresses.log_days.changed.emit(30)
    qtbot.waitUntil(lambda: view._state.log == (30, 100), timeout=20_000)
    with Outbox(tmp_path / "data") as outbox:
        assert outbox.log_limits == (30, 100)
        outbox.log_limits = LogLimits(7, 55)  # by the command line
    link.service._wake()
    qtbot.waitUntil(lambda: view.addresses.log_days.currentText() == "7 days", timeout=20_000)
    assert view.addresses.log_mb.currentText() == "55 MB"


def test_what_can_not_be_saved_is_told(qtbot: QtBot, view: SharingView, tmp_path: Path) -> None:
    view.save_log(tmp_path / "no such folder" / "log")
    qtbot.waitUntil(lambda: "can't be written" in view.addresses.state.text, timeout=20_000)


def test_the_banner_leads_to_sharing_and_back(qtbot: QtBot, page: MapPage) -> None:
    page.show_part("map")
    assert page.map.isVisible()
    QTest.mouseClick(page.banner.button, LEFT)
    assert page.sharing.isVisible()
    page.choice._cells[0].click()
    assert page.map.isVisible()
    QTest.mouseClick(page.banner.preview, LEFT)
    assert page.sharing.isVisible()


def test_the_link_ends_with_its_service(qtbot: QtBot, session: SessionSignals, tmp_path: Path) -> None:
    link = SharingLink(session, tmp_path, None)  # type: ignore[arg-type]
    assert isinstance(link.service, SharingService)
    link.close()
    assert not link.service._thread.is_alive()
