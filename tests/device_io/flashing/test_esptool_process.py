from __future__ import annotations

import hashlib
import random
import threading

import pytest
from esp32_mock_bootloader.process import start_pty

from device_io.flashing.esptool_process import Cancelled, EsptoolError, EsptoolProcess


@pytest.fixture
def mock_port():
    """An independent ESP32 in a process of its own; on a pty, for over TCP it gives up after 50 ms of silence."""
    process, port = start_pty(None, timeout=None, chip="esp32", exit_on_disconnect=False)
    yield str(port)
    process.terminate()
    process.wait(10)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def test_one_connection_identifies_writes_reads_and_digests(mock_port, tmp_path):
    data = random.Random(1).randbytes(70_000)
    image = tmp_path / "image.bin"
    image.write_bytes(data)
    told: list[tuple[int, int]] = []
    with EsptoolProcess(mock_port, baud=115_200) as esptool:
        identity = esptool.connect(1)
        assert identity.chip == "ESP32"
        assert not identity.secure_boot
        assert identity.flash_size >= 1024 * 1024
        esptool.write(0x10000, image, lambda done, total: told.append((done, total)))
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
        esptool.connect(1)
        with pytest.raises(Cancelled):
            esptool.write(0x10000, image, lambda done, total: cancelled.set())
