"""The board without a port: who runs when."""

import struct

import pytest

from device_io.virtual_module.esp32.board import EN_DELAY_S, QUIET_S, RESTART_S, Esp32Board
from device_io.virtual_module.esp32.chip import ESP32
from device_io.virtual_module.esp32.faults import parse_board_faults
from device_io.virtual_module.esp32.flash import SECTOR
from device_io.virtual_module.esp32.image_maker import APP_OFFSET, make_app
from device_io.virtual_module.esp32.machine import Op
from device_io.virtual_module.esp32.slip import SlipDecoder, slip_frame

EUI = "0253454E00000001"
SYNC = slip_frame(struct.pack("<BBHI", 0, Op.SYNC, 36, 0) + b"\x07\x07\x12\x20" + b"\x55" * 32)


class App:
    """Remembers what happened to it."""

    def __init__(self):
        self.versions = []
        self.running = False
        self.heard = b""

    def start(self, started, now):
        assert not self.running
        self.versions.append(started.version)
        self.running = True

    def stop(self):
        assert self.running
        self.running = False

    def receive(self, data, now):
        assert self.running
        self.heard += data


@pytest.fixture
def bench():
    def make(faults="", **options):
        board = Esp32Board(EUI, faults=parse_board_faults(faults), **options)
        board.app, board.sent = App(), bytearray()
        board.connect(board.app, board.sent.extend)
        board.power_on(0.0)
        return board

    return make


def replies(board):
    frames = SlipDecoder().feed(bytes(board.sent))
    board.sent.clear()
    return frames


def request(op, *words):
    data = struct.pack(f"<{len(words)}I", *words)
    return slip_frame(struct.pack("<BBHI", 0, op, len(data), 0) + data)


@pytest.mark.parametrize("step", [1, 7, 45, 46, 1000])
def test_sync_enters_the_loader_however_it_arrives(bench, step):
    board = bench()
    stream = b"some frames of the link" + SYNC
    for at in range(0, len(stream), step):
        board.receive(stream[at : at + step], 1.0)
    assert board.state == "loader"
    assert not board.app.running
    assert len(replies(board)) == 8
    board.detached(2.0)
    assert board.state == "app"
    assert board.app.versions == ["1.0.0", "1.0.0"]


def test_other_bytes_go_to_the_application(bench):
    board = bench()
    data = SYNC[:-10] + bytes(100)
    board.receive(data, 1.0)
    assert board.app.heard == data
    assert board.state == "app"


def test_with_reset_lines_sync_means_nothing_to_the_application(bench):
    board = bench(lines=True)
    board.receive(SYNC, 1.0)
    assert board.state == "app"
    assert board.app.heard == SYNC


def test_rts_resets_and_dtr_chooses_the_loader(bench):
    board = bench(lines=True)
    for now, dtr, rts in ((1.0, False, True), (1.1, True, True), (1.2, True, False), (1.3, False, False)):
        board.set_lines(dtr, rts, now)
        board.tick(now)
    board.receive(SYNC, 1.31)
    board.tick(1.4)
    assert board.state == "loader"
    assert not board.app.running
    assert b"boot:0x3 (DOWNLOAD_BOOT" in board.sent
    assert b"waiting for download" in board.sent
    board.detached(1.5)
    assert board.state == "loader"
    board.set_lines(False, True, 2.0)
    assert board.state == "held"
    board.set_lines(False, False, 2.1)
    board.tick(2.1 + 0.9 * EN_DELAY_S)
    assert board.state == "held"
    board.tick(2.1 + EN_DELAY_S)
    assert board.state == "app"
    assert board.app.versions == ["1.0.0", "1.0.0"]


def test_both_lines_together_do_nothing(bench):
    board = bench(lines=True)
    for dtr, rts in ((True, False), (True, True), (False, False)):
        board.set_lines(dtr, rts, 1.0)
        board.tick(2.0)
    assert board.state == "app"
    assert board.app.versions == ["1.0.0"]


def test_a_reset_by_the_loader(bench):
    board = bench()
    board.receive(SYNC, 1.0)
    board.receive(request(Op.FLASH_BEGIN, 0, 0, 0x400, 0) + request(Op.FLASH_END, 0), 1.1)
    assert board.state == "loader"  # IO0 counts as low still
    board.tick(1.1 + 0.9 * QUIET_S)
    assert board.state == "loader"
    board.tick(1.1 + QUIET_S)
    assert board.state == "app"
    board.receive(SYNC, 3.0)
    board.receive(request(Op.FLASH_BEGIN, 0, 0, 0x400, 0) + request(Op.FLASH_END, 1), 3.1)
    assert board.state == "app"


def test_a_reset_by_the_loader_keeps_it_where_there_are_lines(bench):
    board = bench(lines=True)
    board.set_lines(False, True, 1.0)
    board.set_lines(True, False, 1.1)
    board.tick(1.1 + EN_DELAY_S)
    board.receive(SYNC, 2.0)
    board.receive(request(Op.FLASH_BEGIN, 0, 0, 0x400, 0) + request(Op.FLASH_END, 0), 2.1)
    board.tick(60.0)
    assert board.state == "loader"


def test_nothing_to_boot_is_said_again_and_again(bench):
    board = bench()
    board.flash.erase(0, board.flash.size)
    board.power_on(1.0)
    assert board.state == "boot-loop"
    assert board.sent.count(b"rst:0x1 (POWERON_RESET)") == 1
    for count in range(1, 4):
        board.tick(1.0 + count * RESTART_S)
        assert board.sent.count(b"rst:0x10 (RTCWDT_RTC_RESET)") == count
    assert board.sent.count(b"invalid header: 0xffffffff") >= 12
    board.sent.clear()
    board.receive(SYNC, 9.0)
    assert board.state == "loader"
    assert len(replies(board)) == 8


def test_an_interrupted_write_does_not_boot_and_the_finished_one_does(bench):
    board = bench()
    app = make_app(ESP32, "2.0")
    for length in (len(app) // 2, len(app)):
        board.flash.erase(APP_OFFSET, len(app))
        board.flash.write(APP_OFFSET, app[:length])
        board.power_on(1.0)
        assert board.state == ("app" if length == len(app) else "boot-loop")
    assert board.app.versions == ["1.0.0", "2.0"]


def test_settings_and_calibration_live_in_the_flash(bench, tmp_path):
    path = tmp_path / "flash.bin"
    board = bench(path=path)
    assert board.load("cal")["module"] == EUI
    assert board.load("nvs") is None
    assert board.save("nvs", {"name": "cellar"})
    assert not board.save("attic", {})
    board.close()
    again = bench(path=path)
    assert again.load("nvs") == {"name": "cellar"}
    again.flash.erase(0x9000, 4 * SECTOR)
    assert again.load("nvs") is None
    assert again.load("cal")["module"] == EUI
    again.close()


@pytest.mark.parametrize(("faults", "chip"), [("", "ESP32"), ("esp32-c3", "ESP32-C3")])
@pytest.mark.parametrize("security", ["", ",secure-boot", ",flash-encryption", ",secure-boot,flash-encryption"])
def test_every_kind_of_chip_boots_its_own_contents(bench, faults, chip, security):
    board = bench(faults + security)
    assert board.loader.chip.name == chip
    assert board.state == "app"
    assert board.load("cal")["module"] == EUI


def test_a_file_that_is_no_flash_memory(bench, tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(bytes(100))
    with pytest.raises(ValueError, match="100 bytes"):
        bench(path=path)
