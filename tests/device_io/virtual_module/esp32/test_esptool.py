"""Unmodified esptool against the virtual module."""

import random
import re
import threading

import pytest
from esp32_mock_bootloader.process import start_server

from device_io.virtual_module.esp32.chip import ESP32
from device_io.virtual_module.esp32.image_maker import APP_OFFSET, make_app
from tests.fakes.esptool_runner import esptool, esptool_killed_when

pytestmark = pytest.mark.timeout(180)
"""A run takes some seconds, but how many depends on what else the computer does."""
SPARE = 0x200000


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise.bin"
    path.write_bytes(random.Random(1).randbytes(150_000))
    return path


@pytest.fixture
def app(tmp_path):
    path = tmp_path / "app.bin"
    path.write_bytes(make_app(ESP32, "2.5.1", size=300_000))
    return path


@pytest.mark.parametrize(
    ("transport", "arguments"),
    [
        ("auto", ["chip-id"]),
        ("auto", ["--no-stub", "flash-id"]),
        ("tcp", ["flash-id"]),
        ("tcp", ["--no-stub", "read-mac"]),
    ],
)
def test_identification(plug_in, transport, arguments):
    device = plug_in(transport=transport)
    mac = ":".join(f"{byte:02x}" for byte in bytes.fromhex(device.module.info.eui[:6] + device.module.info.eui[10:]))
    run = esptool(device.url, *arguments)
    assert run.code == 0, run.text
    assert "ESP32-D0WD-V3 (revision v3.1)" in run.text
    assert re.search(r"Crystal frequency: +40MHz", run.text)
    assert re.search(rf"MAC: +{mac}", run.text)
    assert ("Stub flasher running." in run.text) == ("--no-stub" not in arguments)
    if "flash-id" in arguments:
        assert "Manufacturer: ef" in run.text
        assert "Detected flash size: 4MB" in run.text
    device.wait(lambda: device.board.state == "app")


def test_the_other_chip(plug_in):
    device = plug_in("esp32-c3")
    run = esptool(device.url, "flash-id")
    assert run.code == 0, run.text
    assert "Chip type:          ESP32-C3 (QFN32) (revision v0.4)" in run.text
    assert "Detected flash size: 4MB" in run.text


@pytest.mark.parametrize(("stub", "baud"), [(True, 921_600), (False, None)])
def test_write_verify_read_erase(plug_in, noise, tmp_path, stub, baud):
    device = plug_in()
    options = [] if stub else ["--no-stub"]
    before = device.board.flash.read(SPARE - 0x1000, 0x1000)
    run = esptool(device.url, *options, "write-flash", hex(SPARE), noise, baud=baud)
    assert run.code == 0, run.text
    assert "Hash of data verified." in run.text
    assert device.board.flash.read(SPARE, 150_000) == noise.read_bytes()
    assert device.board.flash.read(SPARE - 0x1000, 0x1000) == before
    if stub:
        run = esptool(device.url, "verify-flash", hex(SPARE), noise, baud=baud)
        assert run.code == 0, run.text
        assert "Verification successful" in run.text
    size = 150_000 if stub else 4000  # the ROM alone gives 64 bytes a command
    run = esptool(device.url, *options, "read-flash", hex(SPARE), size, tmp_path / "read.bin", baud=baud)
    assert run.code == 0, run.text
    assert (tmp_path / "read.bin").read_bytes() == noise.read_bytes()[:size]
    run = esptool(device.url, *options, "erase-region", hex(SPARE + 0x1000), 0x2000, baud=baud)
    assert run.code == 0, run.text
    assert device.board.flash.read(SPARE + 0x1000, 0x2000) == b"\xff" * 0x2000
    assert device.board.flash.read(SPARE + 0x3000, 100) == noise.read_bytes()[0x3000 : 0x3000 + 100]
    device.wait(lambda: device.board.state == "app")
    if stub:
        run = esptool(device.url, "verify-flash", hex(SPARE), noise, baud=baud)
        assert run.code != 0
        assert "Verification failed" in run.text


def test_an_application_that_compresses_runs_after_it_was_written(plug_in, app):
    device = plug_in()
    run = esptool(device.url, "write-flash", hex(APP_OFFSET), app)
    assert run.code == 0, run.text
    assert "Compressed" in run.text
    device.wait(lambda: device.board.state == "app")
    assert device.board.last_boot.version == device.module.info.firmware == "2.5.1"


def test_the_older_stub(plug_in, noise):
    device = plug_in()
    run = esptool(device.url, "--stub-version", "1", "write-flash", hex(SPARE), noise, baud=460_800)
    assert run.code == 0, run.text
    assert "Stub flasher running." in run.text
    assert device.board.flash.read(SPARE, 150_000) == noise.read_bytes()


def test_erasing_all_of_it_leaves_nothing_to_boot(plug_in):
    device = plug_in()
    run = esptool(device.url, "erase-flash")
    assert run.code == 0, run.text
    device.wait(lambda: device.board.state == "boot-loop")
    assert device.board.last_boot.error == "invalid header: 0xffffffff"


def test_a_soft_reset_ends_in_the_application(plug_in):
    run = esptool(plug_in(transport="tcp").url, "--no-stub", "--after", "soft-reset", "read-mac")
    assert run.code == 0, run.text
    assert "Soft resetting..." in run.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("flash-write-error@0x204000", "(result was C400: Failed SPI operation)"),
        ("worn@0x204000", "MD5 of file does not match data in flash!"),
        ("flash-wrong-digest", "MD5 of file does not match data in flash!"),
        ("flash-stall@60000", "No more data to read from the serial port."),
        pytest.param("flash-unplug@60000:30", "could not open port", marks=pytest.mark.soak),  # tries again for 7 s
    ],
)
def test_faults(plug_in, noise, fault, message):
    run = esptool(plug_in(fault).url, "write-flash", hex(SPARE), noise)
    assert run.code != 0
    assert message in run.text


@pytest.mark.parametrize(
    ("fault", "message"),
    # The ROM says 0108 once; to the block sent again it says 0105, for the number is used up.
    [("flash-write-error@0x204000", "(result was 0105: "), ("flash-wrong-digest", "MD5 of file does not match")],
)
def test_faults_of_the_rom(plug_in, noise, fault, message):
    run = esptool(plug_in(fault).url, "--no-stub", "write-flash", hex(SPARE), noise)
    assert run.code != 0
    assert message in run.text


@pytest.mark.parametrize("fault", ["flash-drop@60000", "flash-unplug@60000:0.5"])
def test_faults_that_esptool_gets_over(plug_in, noise, fault):
    device = plug_in(fault)
    run = esptool(device.url, "write-flash", hex(SPARE), noise)
    assert run.code == 0, run.text
    assert device.board.flash.read(SPARE, 150_000) == noise.read_bytes()


def test_security_of_the_chip_is_seen(plug_in, app):
    device = plug_in("secure-boot,flash-encryption")
    run = esptool(device.url, "write-flash", hex(APP_OFFSET), app)
    assert run.code == 0, run.text
    assert "Security features enabled, so not changing any flash settings." in run.text
    device.wait(lambda: device.board.state == "boot-loop")  # plain and unsigned
    device = plug_in("secure-boot-v1")
    run = esptool(device.url, "write-flash", "0x1000", app)
    assert run.code != 0
    assert "Secure Boot" in run.text


def test_encrypted_writing_boots_on_a_chip_with_flash_encryption(plug_in, app):
    device = plug_in("flash-encryption")
    run = esptool(device.url, "write-flash", "--encrypt", hex(APP_OFFSET), app)
    assert run.code == 0, run.text
    device.wait(lambda: device.board.state == "app")
    assert device.module.info.firmware == "2.5.1"
    assert device.board.flash.read(APP_OFFSET, 1) != b"\xe9"


@pytest.mark.parametrize("kills", [1, pytest.param(25, marks=[pytest.mark.soak, pytest.mark.timeout(300)])])
def test_killed_at_any_byte_and_finished_then(plug_in, app, kills):
    device = plug_in()
    for _ in range(kills):
        killed = threading.Event()
        threshold = device.board.loader.bytes_received + random.randrange(20_000, 120_000)
        feed = device.board.loader.receive

        def receive(data, threshold=threshold, killed=killed, feed=feed):
            if device.board.loader.bytes_received >= threshold:
                killed.set()
                return b""
            return feed(data)

        device.board.loader.receive = receive
        esptool_killed_when(device.url, killed, "write-flash", hex(APP_OFFSET), app)
        device.board.loader.receive = feed
        device.wait(lambda: device.board.state != "loader")
    run = esptool(device.url, "write-flash", hex(APP_OFFSET), app)
    assert run.code == 0, run.text
    device.wait(lambda: device.board.state == "app")
    assert device.module.info.firmware == "2.5.1"


def test_a_paced_line_takes_its_time(plug_in, tmp_path):
    path = tmp_path / "noise.bin"
    path.write_bytes(random.Random(2).randbytes(32_768))
    device = plug_in(paced=True)
    run = esptool(device.url, "--no-stub", "write-flash", hex(SPARE), path, baud=230_400)
    assert run.code == 0, run.text
    seconds = float(re.search(r"bytes at 0x00200000 in ([0-9.]+) seconds", run.text)[1])
    assert seconds >= 0.95 * 32_768 * 10 / 230_400


@pytest.fixture
def other_device():
    """URL of an independent ESP32 in a process of its own."""
    process, port = start_server(None, timeout=None, chip="esp32", exit_on_disconnect=False, startup_timeout=60.0)
    yield f"usb:socket://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


@pytest.mark.parametrize("arguments", [["flash-id"], ["--no-stub", "chip-id"]])
def test_another_virtual_esp32_answers_alike(plug_in, other_device, arguments):
    """esptool prints the same lines for both; only what the chips are differs."""

    def lines(text):
        text = re.sub(r"(?m)^(MAC|Chip type|Features|Manufacturer|Device|Crystal frequency):.*", r"\1", text)
        text = re.sub(r"socket://[0-9.:]+", "PORT", text)
        text = re.sub(r"\.{2,}", "...", text)  # one more for each SYNC that was answered late
        return [line.strip() for line in text.splitlines() if line.strip(" .")]

    ours, theirs = esptool(plug_in(transport="tcp").url, *arguments), esptool(other_device, *arguments)
    assert ours.code == theirs.code == 0, ours.text + theirs.text
    assert lines(ours.text) == lines(theirs.text)
