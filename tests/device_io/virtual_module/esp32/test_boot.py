"""Booting: what the flash holds decides, and the chip says why it does not start."""

import hashlib
import random
import struct
import subprocess
import sys
import zlib

import pytest

from device_io.boot_log import explain
from device_io.virtual_module.esp32.boot import FlashCipher, boot
from device_io.virtual_module.esp32.chip import ESP32, ESP32_C3
from device_io.virtual_module.esp32.flash import Flash
from device_io.virtual_module.esp32.image_maker import (
    APP_OFFSET,
    OTADATA_OFFSET,
    fill,
    layout,
    make_app,
    make_bootloader,
    make_table,
)
from device_io.virtual_module.esp32.secure_boot import key_digest, sign
from firmware_images import maker
from tests.fakes import boot_signer

pytestmark = pytest.mark.timeout(180)  # Espressif's tools are processes of their own

EUI = "0253454E00000001"
OTA_1 = next(p.offset for p in layout(1 << 22) if p.label == "ota_1")


def filled(chip=ESP32, **options):
    flash = Flash()
    fill(flash, chip, EUI, **options)
    return flash


def replace(flash, offset, data):
    flash.erase(offset, len(data))
    flash.write(offset, data)


def entry(sequence, state=2, crc=None):
    head = struct.pack("<I", sequence)
    crc = zlib.crc32(head, 0xFFFFFFFF) if crc is None else crc
    return (head + b"\xff" * 20 + struct.pack("<II", state, crc)).ljust(0x1000, b"\xff")


@pytest.mark.parametrize("chip", [ESP32, ESP32_C3])
@pytest.mark.parametrize("size", [1 << 20, 1 << 22, 1 << 24])
def test_the_default_contents_boot(chip, size):
    flash = Flash(size)
    fill(flash, chip, EUI)
    started = boot(flash, chip)
    assert (started.kind, started.project, started.version, started.slot) == ("app", "sensix", "1.0.0", "ota_0")
    assert started.log[2].startswith("rst:0x1 (POWERON_RESET)")
    assert started.log[-1] == "I (95) boot: Loaded app from partition at offset 0x10000"


def test_another_maker_is_read_alike():
    for size in (1 << 20, 1 << 22, 1 << 23):
        assert make_table(size) == maker.partition_table(size=size)
    flash = Flash()
    flash.write(0, maker.flash_image(maker.app_image("3.4.5", "other")))
    started = boot(flash, ESP32)
    assert (started.kind, started.project, started.version) == ("app", "other", "3.4.5")
    flash = Flash()
    flash.write(0, maker.flash_image(maker.app_image("7.0"), two_slots=False))
    assert (boot(flash, ESP32).slot, boot(flash, ESP32).version) == ("factory", "7.0")


@pytest.mark.parametrize("chip", [ESP32, ESP32_C3])
@pytest.mark.parametrize("make", [make_app, make_bootloader])
def test_esptool_takes_the_images_for_valid(tmp_path, chip, make):
    path = tmp_path / "image.bin"
    path.write_bytes(make(chip))
    text = subprocess.run(
        [sys.executable, "-m", "esptool", "image-info", str(path)],
        capture_output=True,
        text=True,
        timeout=55,
        check=True,
    ).stdout
    assert f"Detected image type: {chip.name}" in text
    assert "(valid)" in text.split("Checksum:")[1].splitlines()[0]
    assert "(valid)" in text.split("Validation hash:")[1].splitlines()[0]
    if make is make_app:
        assert "Project name: sensix" in text
        assert "App version: 1.0.0" in text


def test_a_blank_memory():
    started = boot(Flash(), ESP32)
    assert started.kind == "error"
    assert started.error == "invalid header: 0xffffffff"
    assert started.log.count("invalid header: 0xffffffff") >= 3
    assert started.restart.startswith("0x10")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda image: b"\xe9\x02" + image[2:12] + b"\x05\x00" + image[14:], "flash read err, 1000"),
        (lambda image: image[:200] + bytes([image[200] ^ 1]) + image[201:], "csum err:"),
        (lambda image: image[:28] + b"\xff\xff\xff\x7f" + image[32:], "flash read err, 1000"),
    ],
)
def test_a_bad_bootloader(change, error):
    flash = filled()
    replace(flash, 0x1000, change(make_bootloader(ESP32)))
    started = boot(flash, ESP32)
    assert started.error.startswith(error)
    assert started.log[-2:] == (started.error, "ets_main.c 371 ")


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda table: b"\xff" * len(table), "flash_parts: partition 0 invalid magic number 0xffff"),
        (lambda table: table[:14] + b"\x01" + table[15:], "flash_parts: partitions MD5 check failed"),
        (lambda table: table[:64] + b"\x12\x34" + table[66:], "flash_parts: partition 2 invalid magic number 0x3412"),
    ],
)
def test_a_bad_partition_table(spoil, line):
    flash = filled()
    replace(flash, 0x8000, spoil(make_table(flash.size)))
    started = boot(flash, ESP32)
    assert started.error == line
    assert started.log[-1].endswith("boot: load partition table error!")


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (b"\xff" * 64, "esp_image: image at 0x10000 has invalid magic byte (nothing flashed here?)"),
        (make_app(ESP32_C3), "boot_comm: mismatch chip ID, expected 0, found 5"),
        (maker.app_image(min_revision=302), "boot_comm: Image requires chip rev >= v3.2, but chip is v3.1"),
        (maker.app_image(max_revision=299), "boot_comm: Image requires chip rev <= v2.99, but chip is v3.1"),
        (make_app(ESP32)[:-1] + b"\0", "esp_image: Image hash failed - image is corrupt"),
        (make_app(ESP32)[:40_000], "esp_image: Checksum failed. Calculated 0x"),
    ],
)
def test_a_bad_application(app, line):
    flash = filled()
    replace(flash, APP_OFFSET, app.ljust(0x20000, b"\xff"))
    started = boot(flash, ESP32)
    assert started.kind == "error"
    assert any(text.split(") ", 1)[-1].startswith(line) for text in started.log), started.log
    assert "E (91) boot: OTA app partition slot 0 is not bootable" in started.log
    assert "E (91) boot: OTA app partition slot 1 is not bootable" in started.log
    assert started.error == "boot: No bootable app partitions in the partition table"
    replace(flash, OTA_1, make_app(ESP32, "0.9"))
    assert (boot(flash, ESP32).slot, boot(flash, ESP32).version) == ("ota_1", "0.9")


def test_no_flipped_bit_of_an_application_goes_unseen():
    rng = random.Random(random.randrange(2**32))
    app = make_app(ESP32, size=4096)
    for bit in [*range(8 * 24), *rng.sample(range(8 * 24, 8 * len(app)), 300)]:
        flash = filled()
        spoilt = bytearray(app)
        spoilt[bit // 8] ^= 1 << bit % 8
        replace(flash, APP_OFFSET, bytes(spoilt).ljust(0x11000, b"\xff"))
        started = boot(flash, ESP32)
        if bit == 23 * 8:  # "a hash follows" cleared: the bootloader then asks for none
            assert started.kind == "app"
        else:
            assert started.kind == "error", bit


@pytest.mark.parametrize(
    ("sectors", "slot"),
    [
        (entry(1) + entry(2), "ota_1"),
        (entry(3) + entry(2), "ota_0"),
        (entry(2) + b"\xff" * 0x1000, "ota_1"),
        (b"\xff" * 0x2000, "ota_0"),
        (entry(1) + entry(2, crc=1), "ota_0"),
        (entry(1) + entry(2, state=3), "ota_0"),
        (entry(1) + entry(2, state=4), "ota_0"),
        (entry(1) + entry(2, state=1), "ota_0"),  # was on trial, did not confirm: rolled back
        (entry(1) + entry(2, state=0), "ota_1"),
        (entry(0xFFFFFFFE) + entry(1), "ota_1"),
    ],
)
def test_the_choice_of_the_slot(sectors, slot):
    flash = filled()
    replace(flash, OTA_1, make_app(ESP32, "2.0"))
    replace(flash, OTADATA_OFFSET, sectors)
    assert boot(flash, ESP32).slot == slot


def test_a_broken_chosen_slot_gives_way_to_the_other():
    flash = filled()
    replace(flash, OTADATA_OFFSET, entry(2))
    started = boot(flash, ESP32)
    assert "E (91) boot: OTA app partition slot 1 is not bootable" in started.log
    assert started.slot == "ota_0"


def test_flash_encryption_starts_only_what_is_encrypted():
    cipher = FlashCipher(b"key")
    flash = filled(cipher=cipher)
    assert boot(flash, ESP32, cipher=cipher).kind == "app"
    assert boot(flash, ESP32).error.startswith("invalid header: 0x")
    replace(flash, APP_OFFSET, make_app(ESP32))
    assert boot(flash, ESP32, cipher=cipher).kind == "error"
    app = make_app(ESP32, "5.0")
    replace(flash, APP_OFFSET, cipher.apply(APP_OFFSET, app))
    assert boot(flash, ESP32, cipher=cipher).version == "5.0"
    middle = cipher.apply(APP_OFFSET + 5000, app[5000:5100])
    assert middle == cipher.apply(APP_OFFSET, app)[5000:5100]


def test_secure_boot_starts_only_what_is_signed():
    key = boot_signer.a_key()
    trusted = key_digest(sign(b"", key))
    flash = filled(key=key)
    assert boot(flash, ESP32, trusted=trusted).kind == "app"
    replace(flash, APP_OFFSET, make_app(ESP32).ljust(0x20000, b"\xff"))
    started = boot(flash, ESP32, trusted=trusted)
    assert started.kind == "error"
    assert any("secure_boot_v2" in line for line in started.log)
    assert boot(flash, ESP32).kind == "app"
    for another in (filled(), filled(key=boot_signer.a_key(number=1))):
        assert boot(another, ESP32, trusted=trusted).error == "secure boot verification failed"
    assert boot(filled(key=key), ESP32, trusted=bytes(32)).kind == "error"


def test_secure_boot_knows_the_signatures_of_espsecure(tmp_path):
    key = boot_signer.a_key()
    app = boot_signer.sign(tmp_path, make_app(ESP32, "3.1"), key)
    trusted = bytes.fromhex(boot_signer.digest(tmp_path, key))
    flash = filled(key=key)
    replace(flash, APP_OFFSET, app)
    assert boot(flash, ESP32, trusted=trusted).version == "3.1"
    replace(flash, APP_OFFSET, app[:-3000] + bytes([app[-3000] ^ 1]) + app[-2999:])
    assert boot(flash, ESP32, trusted=trusted).kind == "error"


def test_the_image_hash_is_what_it_says():
    app = make_app(ESP32)
    assert app[-32:] == hashlib.sha256(app[:-32]).digest()


@pytest.mark.parametrize(
    ("revisions", "words"),
    [((104, 0xFFFF), ">= v1.4, but chip is v1.3"), ((0, 102), "<= v1.2, but chip is v1.3"), ((103, 103), "")],
)
def test_an_application_for_another_efuse_block(revisions, words):
    flash = filled(ESP32_C3)
    replace(flash, APP_OFFSET, maker.app_image(chip="ESP32-C3", block_revisions=revisions))
    started = boot(flash, ESP32_C3)
    assert started.kind == ("error" if words else "app")
    assert words in next((line for line in started.log if "efuse blk rev" in line), "")
    assert explain(started.log)[0].key == ("wrong-chip" if words else "started")


def test_the_upper_limit_of_a_bootloader_is_none():
    """As ESP-IDF has it (bootloader_common_loader.c): only an application's counts."""
    flash = filled()
    image = bytearray(maker.bootloader_image())
    image[17:19] = (299).to_bytes(2, "little")
    replace(flash, ESP32.bootloader_offset, bytes(image[:-32]) + hashlib.sha256(image[:-32]).digest())
    assert boot(flash, ESP32).kind == "app"
