"""A port with DTR and RTS: the auto-reset circuit, the baud and the parity, as esptool and pyserial use them."""

import time

import pytest
import serial

from tests.fakes.esptool_runner import port_of, run_python
from tests.fakes.raw_link_client import RawLinkClient

PYSERIAL = pytest.mark.filterwarnings("ignore:set(Daemon|Name):DeprecationWarning")
"""What pyserial 3.5 calls to open such a port."""


pytestmark = pytest.mark.timeout(180)


def read_until(port, text, asking=b"", deadline_s=30.0):
    """Read until the text has come; send `asking` before each look (noise may have spoilt the frame before)."""
    got, end = b"", time.monotonic() + deadline_s
    while text not in got:
        assert time.monotonic() < end, got
        port.write(asking)
        got += port.read(4096)
    return got


def reset_into_loader(port):
    """As esptool does: again where the computer took longer for the last change of a line than EN does to rise."""
    for _ in range(20):
        port.dtr, port.rts = False, True
        port.dtr = True  # EN rises ...
        port.rts = False  # ... and IO0 is low
        got, end = b"", time.monotonic() + 2.0
        while time.monotonic() < end:
            got += port.read(4096)
            if b"waiting for download" in got:
                return
    raise AssertionError("the chip does not enter its loader")


def test_esptool_resets_the_chip_itself(plug_in):
    """Only connecting and resetting: a whole run takes 12 s and more on a port of this kind."""
    device = plug_in(transport="rfc2217")
    code = (
        "import sys; from esptool.cmds import *; esp = detect_chip(sys.argv[1]); print(esp.CHIP_NAME); reset_chip(esp)"
    )
    run = run_python(code, port_of(device.url))
    assert run.code == 0, run.text
    assert "ESP32" in run.text.splitlines()
    assert "NOT reset" not in run.text
    device.wait(lambda: device.board.state == "app")


@PYSERIAL
def test_the_link_runs_over_it(plug_in):
    device = plug_in(transport="rfc2217")
    with RawLinkClient(device.url) as client:
        client.open_session()
        assert client.info.firmware == "1.0.0"
        client.set_baud(921_600)
        client.start_stream(1)
        damaged = client.deframer.frames_damaged  # while the two changed their baud
        client.wait(lambda: len(client.blocks) > 30)
        assert client.decoder.samples_missing == 0
        assert client.deframer.frames_damaged == damaged


@PYSERIAL
def test_lines_baud_and_parity(plug_in):
    device = plug_in(transport="rfc2217")
    with serial.serial_for_url(port_of(device.url), baudrate=115_200, timeout=0.05) as port:
        port.dtr, port.rts = False, True
        device.wait(lambda: device.board.state == "held")
        port.rts = False
        text = read_until(port, b"firmware 1.0.0")
        assert b"boot:0x13 (SPI_FAST_FLASH_BOOT)" in text
        device.wait(lambda: device.board.state == "app")
        reset_into_loader(port)
        assert device.board.state == "loader"
        sync = b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + b"\x55" * 32 + b"\xc0"
        port.parity = serial.PARITY_EVEN
        port.write(sync)
        assert b"\xc0\x01\x08" not in port.read(100)
        port.parity = serial.PARITY_NONE
        port.baudrate = 57_600  # the loader takes the baud of whoever talks to it first
        read_until(port, b"\xc0\x01\x08\x04\x00\x07\x07\x12\x20", asking=sync)
