from __future__ import annotations

import os
import subprocess
import sys

from device_io.discovery.usb_ports import UsbPort
from device_io.urls import parse_serial_url
from device_io.usb_doctor import examine_usb
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort as VirtualPort
from tests.fakes.pty_device import PtyDevice

NONE = ()


def states(checks):
    return [check.state for check in checks]


def test_a_module_that_answers_passes_every_check():
    port = VirtualPort(VirtualModule("clean"))
    url = parse_serial_url(port.start())
    try:
        checks = examine_usb(url, ports=lambda: NONE)
    finally:
        port.stop()
    assert states(checks) == ["ok", "ok", "ok"]
    assert "0253454E" in checks[2].text


def test_no_port_at_all_points_to_the_cable():
    checks = examine_usb(parse_serial_url("/dev/ttyUSB77"), ports=lambda: NONE)
    assert states(checks) == ["bad", "unknown", "unknown"]
    assert "carries data" in checks[0].advice


def test_another_port_that_is_there_is_named():
    there = UsbPort("/dev/ttyUSB1", 0x1A86, 0x7523, "", "WCH CH340")
    checks = examine_usb(parse_serial_url("/dev/ttyUSB77"), ports=lambda: (there,))
    assert "/dev/ttyUSB1" in checks[0].advice


def test_a_program_that_holds_the_port_is_named():
    port = VirtualPort(VirtualModule("clean"), transport="pty")
    url = parse_serial_url(port.start())
    hold = (
        "import fcntl, os, sys\n"
        "fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, url.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline().strip() == "held"
        checks = examine_usb(url, ports=lambda: NONE)
    finally:
        holder.communicate(timeout=30)
        port.stop()
    assert states(checks) == ["ok", "bad", "unknown"]
    assert f"process {holder.pid}" in checks[1].text
    assert "Close that program" in checks[1].advice


def test_something_silent_is_no_module():
    with PtyDevice() as device:
        checks = examine_usb(parse_serial_url(device.port), hello_timeout_s=0.6, ports=lambda: NONE)
    assert states(checks) == ["ok", "ok", "bad"]
    assert "Nothing answers" in checks[2].text
    assert checks[2].advice


def test_no_right_to_the_port_gives_the_command(monkeypatch):
    def refuse(port, baud):
        from device_io.transport import _open_error

        raise _open_error(port, PermissionError(13, "Permission denied"))

    monkeypatch.setattr("device_io.usb_doctor.open_transport", refuse)
    checks = examine_usb(parse_serial_url(os.devnull), ports=lambda: NONE)
    assert states(checks) == ["ok", "bad", "unknown"]
    assert "usermod -a -G" in checks[1].advice
