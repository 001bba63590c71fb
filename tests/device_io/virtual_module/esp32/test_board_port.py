"""The module on its chip, seen over Sensix Link: what it runs, what it keeps."""

import socket
import struct
import sys
from urllib.parse import urlsplit

import pytest
import serial

from device_io.sensix_link.messages import Kind, SettingsRead, SettingsWrite
from device_io.virtual_module.esp32.chip import ESP32
from device_io.virtual_module.esp32.image_maker import APP_OFFSET, make_app
from tests.fakes.esptool_runner import esptool, port_of
from tests.fakes.raw_link_client import RawLinkClient

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""


@pytest.mark.parametrize("transport", ["auto", "tcp"])
def test_a_flashed_module_reports_its_new_version_and_streams(plug_in, tmp_path, transport):
    device = plug_in(transport=transport)
    with RawLinkClient(device.url) as client:
        client.open_session()
        boot = client.info.boot_id
        assert client.info.firmware == "1.0.0"
        client.set_baud(921_600)
        client.start_stream(1)
        client.wait(lambda: len(client.blocks) > 6)
    path = tmp_path / "app.bin"
    path.write_bytes(make_app(ESP32, "1.1.0"))
    run = esptool(device.url, "write-flash", hex(APP_OFFSET), path)
    assert run.code == 0, run.text
    device.wait(lambda: device.board.state == "app")
    with RawLinkClient(device.url) as client:
        client.open_session()
        assert client.info.firmware == "1.1.0"
        assert client.info.boot_id != boot
        client.set_baud(2_000_000)
        client.start_stream()
        client.wait(lambda: len(client.blocks) > 6)


def test_the_boot_log_waits_for_the_first_program(plug_in):
    """On a bare socket: opening a port, pyserial throws away what has come by then."""
    address = urlsplit(port_of(plug_in(transport="tcp").url))
    heard = b""
    with socket.create_connection((address.hostname, address.port), 30.0) as line:
        while b"firmware 1.0.0" not in heard and (data := line.recv(4096)):
            heard += data
    assert b"rst:0x1 (POWERON_RESET)" in heard
    assert b"firmware 1.0.0" in heard


def test_settings_survive_flashing_and_restarts_but_not_an_erased_partition(plug_in, tmp_path):
    flash = tmp_path / "flash.bin"
    device = plug_in(path=flash)

    def name():
        with RawLinkClient(device.url) as client:
            client.open_session()
            return client.ask(SettingsRead(client.request_id()), Kind.SETTINGS_REPLY).values["name"]

    with RawLinkClient(device.url) as client:
        client.open_session()
        client.ask(SettingsWrite(client.request_id(), {"name": "cellar"}), Kind.SETTINGS_REPLY)
        device.wait(lambda: (device.board.load("nvs") or {}).get("name") == "cellar")
    path = tmp_path / "app.bin"
    path.write_bytes(make_app(ESP32, "1.1.0"))
    assert esptool(device.url, "write-flash", hex(APP_OFFSET), path).code == 0
    device.wait(lambda: device.board.state == "app")
    assert name() == "cellar"
    device.stop()
    device = plug_in(path=flash)
    assert name() == "cellar"
    assert device.module.info.firmware == "1.1.0"
    assert esptool(device.url, "erase-region", "0x9000", "0x4000").code == 0
    device.wait(lambda: device.board.state == "app")
    assert name() == "clean"
    assert device.board.load("cal")["module"] == device.module.info.eui


def test_what_does_not_boot_is_told_on_the_line(plug_in):
    device = plug_in()
    assert esptool(device.url, "erase-region", hex(APP_OFFSET), "0x1000").code == 0
    device.wait(lambda: device.board.state == "boot-loop")
    with RawLinkClient(device.url) as client:
        client.wait(lambda: sum("rst:0x3 (SW_RESET)" in line for line in client.text) >= 2, keep_alive=False)
        assert any(line.endswith("boot: OTA app partition slot 0 is not bootable") for line in client.text)
        assert any(line.endswith("No bootable app partitions in the partition table") for line in client.text)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("baud", [115_200, 460_800])
def test_a_program_that_follows_the_flasher_at_once_finds_the_application(plug_in, baud):
    """Even when the port is opened again before anybody could see that it was closed."""
    device = plug_in()
    sync = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
    with serial.Serial(port_of(device.url), 115_200, timeout=0.05) as flasher:
        flasher.write(sync)
        device.wait(lambda: device.board.state == "loader")
        flasher.timeout = 30.0
        assert len(flasher.read(112)) == 112  # eight answers
        if baud != 115_200:
            flasher.write(b"\xc0\x00\x0f\x08\x00\x00\x00\x00\x00" + struct.pack("<2I", baud, 0) + b"\xc0")
            device.wait(lambda: device.board.baud == baud)
        with RawLinkClient(device.url) as client:  # both hold it: no end of the first is ever seen
            client.open_session()
            assert client.info.firmware == "1.0.0"
