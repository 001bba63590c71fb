"""esptool in its own process, against an independent ESP32."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
import threading

import pytest
from esp32_mock_bootloader.process import start_pty

from device_io.flashing.backups import BackupStore
from device_io.flashing.esptool_process import Cancelled, EsptoolError, EsptoolProcess
from device_io.flashing.flasher import Flasher
from device_io.flashing.journal import Journal
from device_io.flashing.result import FlashOptions, Stage
from device_io.urls import parse_serial_url
from tests.fakes.command_line import ROOT
from tests.fakes.flash_bench import package

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""


@pytest.fixture
def mock_port():
    """An independent ESP32 in a process of its own; on a pty, for over TCP it gives up after 50 ms of silence."""
    process, port = start_pty(None, timeout=None, chip="esp32", exit_on_disconnect=False, startup_timeout=60.0)
    yield str(port)
    process.terminate()
    process.wait(30)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def test_one_connection_identifies_writes_reads_and_digests(mock_port, tmp_path):
    data = random.Random(1).randbytes(70_000)
    image = tmp_path / "image.bin"
    image.write_bytes(data)
    told: list[tuple[int, int]] = []
    with EsptoolProcess(mock_port, baud=115_200) as esptool:
        identity = esptool.connect()
        assert identity.chip == "ESP32"
        assert not identity.secure_boot
        assert identity.flash_size >= 1024 * 1024
        esptool.write(0x10000, image, lambda done, total: told.append((done, total)))
        assert not image.exists()
        assert esptool.digest(0x10000, len(data)) == hashlib.md5(data).hexdigest()
        back = tmp_path / "back.bin"
        esptool.read(0x10000, 65_536, back)
        assert back.read_bytes() == data[:65_536]
    assert told[-1][0] == told[-1][1] > 0


def test_what_esptool_says_becomes_one_sentence():
    with EsptoolProcess("/dev/there-is-no-such-port") as esptool, pytest.raises(EsptoolError) as caught:
        esptool.connect(1)
    assert "does not exist" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_cancelling_ends_it_at_once(mock_port, tmp_path):
    image = tmp_path / "image.bin"
    image.write_bytes(random.Random(2).randbytes(1_500_000))
    cancelled = threading.Event()
    with EsptoolProcess(mock_port, cancelled=cancelled) as esptool:
        esptool.connect()
        with pytest.raises(Cancelled):
            esptool.write(0x10000, image, lambda done, total: cancelled.set())


def test_the_child_lets_the_port_go_when_its_parent_dies(mock_port):
    """In the midst of an order too: connecting may take half a minute."""
    order = json.dumps({"do": "read", "offset": 0, "size": 0x400000, "path": os.devnull})
    child = subprocess.Popen(
        [sys.executable, "-m", "device_io.flashing.esptool_server"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with child:
        child.stdin.write(json.dumps({"do": "connect", "port": mock_port}) + "\n" + order + "\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["event"] == "done"
        assert json.loads(child.stdout.readline())["event"] == "progress"
        child.stdin.close()
        assert child.wait(30.0) == 1


def test_a_firmware_reaches_an_independent_chip_byte_for_byte(mock_port, tmp_path):
    """The other virtual chip runs no application, so the last stage fails; all before it holds."""
    new = package(tmp_path, flash_size=0x400000)
    flasher = Flasher(
        parse_serial_url(mock_port),
        BackupStore(tmp_path / "backups"),
        Journal(tmp_path / "journal"),
        FlashOptions(baud=115_200, confirm_s=0.5, backup=False),
    )
    result = flasher.flash(new)
    assert (result.result, result.stage, result.unfinished) == ("failed", Stage.CONFIRM, True)
    with EsptoolProcess(mock_port, baud=115_200) as esptool:
        esptool.connect()
        for part in new.parts:
            assert esptool.digest(part.offset, len(part.data)) == hashlib.md5(part.data).hexdigest(), part.label
