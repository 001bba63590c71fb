"""Images: what Espressif's tools make is read, what is broken is refused with the reason."""

from __future__ import annotations

import hashlib
import random
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from firmware_images.errors import ImageError, Reason
from firmware_images.image import parse_image, same_code
from tests.fakes import esp_tools
from tests.fakes.firmware_maker import app_image, bootloader_image

pytestmark = pytest.mark.timeout(180)  # Espressif's tools are processes of their own

CHIPS = ("ESP32", "ESP32-C3", "ESP32-S3")


def refused(data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        parse_image(data)
    return caught.value


def resealed(image: bytes) -> bytes:
    """With checksum and hash made to match again, as somebody who means it would do."""
    body = bytearray(image[:-32])
    body[-1] = 0xEF
    at = 24
    for _ in range(body[1]):
        size = int.from_bytes(body[at + 4 : at + 8], "little")
        for byte in body[at + 8 : at + 8 + size]:
            body[-1] ^= byte
        at += 8 + size
    return bytes(body) + hashlib.sha256(body).digest()


@pytest.mark.parametrize("chip", CHIPS)
def test_reads_what_elf2image_makes(chip: str, tmp_path: Path) -> None:
    descriptor = app_image("3.2.1", "other", chip, secure_version=4)[32:288]
    data = esp_tools.image_from_elf(
        tmp_path, chip, descriptor, "--flash-size", "8MB", "--flash-mode", "dio", "--min-rev-full", "101",
        "--max-rev-full", "399",
    )  # fmt: skip
    image = parse_image(data)
    assert image.chip.name == chip
    assert image.total_length == image.length == len(data)
    assert (image.spi_mode, image.flash_size) == ("DIO", 8 << 20)
    assert (image.min_revision, image.max_revision) == (101, 399)
    assert image.app is not None
    assert (image.app.version, image.app.project, image.app.secure_version) == ("3.2.1", "other", 4)
    assert image.secure_boot_signature == "none"


@pytest.mark.parametrize("chip", CHIPS)
def test_esptool_reads_our_images_alike(chip: str, tmp_path: Path) -> None:
    for name, data in (
        ("app", app_image("2.3.4", "proj", chip, 50_000, secure_version=7, max_revision=350)),
        ("bootloader", bootloader_image(chip, version=9)),
    ):
        (tmp_path / f"{name}.bin").write_bytes(data)
        said = esp_tools.run(
            "esptool", "--chip", esp_tools.chip_option(chip), "image-info", str(tmp_path / f"{name}.bin")
        )
        image = parse_image(data)
        assert "(invalid" not in said
        assert f"Checksum: {image.checksum:#04x} (valid)" in said
        assert f"Validation hash: {image.sha256} (valid)" in said
        assert f"({image.chip.name})" in said
        rows = re.findall(r"^ +\d+  (0x\w+)  (0x\w+)  (0x\w+)", said, re.MULTILINE)
        assert [(int(size, 16), int(address, 16), int(at, 16) + 8) for size, address, at in rows] == [
            (segment.size, segment.address, segment.offset) for segment in image.segments
        ]
        if image.app is not None:
            assert f"App version: {image.app.version}\n" in said
            assert f"Project name: {image.app.project}\n" in said
            assert f"Secure version: {image.app.secure_version}\n" in said
            assert f"Compile time: {image.app.date} {image.app.time}\n" in said
            assert f"ELF file SHA256: {image.app.elf_sha256}" in said
            assert image.max_revision == 350
            assert "Maximal chip revision: v3.50" in said
        else:
            assert image.bootloader is not None
            assert f"Bootloader version: {image.bootloader.version}\n" in said
            assert image.bootloader.version == 9


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_knows_a_secure_boot_signature_of_espsecure(kind: str, tmp_path: Path) -> None:
    descriptor = app_image()[32:288]
    plain = esp_tools.image_from_elf(tmp_path, "ESP32", descriptor, "--secure-pad-v2")
    assert parse_image(plain).secure_boot_signature == "none"
    key = rsa.generate_private_key(65537, 3072) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    signed = tmp_path / "signed.bin"
    esp_tools.run(
        "espsecure", "sign-data", "--version", "2", "--keyfile", str(tmp_path / "key.pem"), "--output", str(signed),
        str(tmp_path / "ESP32.bin"),
    )  # fmt: skip
    image = parse_image(signed.read_bytes())
    assert image.secure_boot_signature == "v2"
    assert image.total_length == signed.stat().st_size
    # A signature of another image is none.
    moved = bytearray(signed.read_bytes())
    moved[len(plain) + 5] ^= 1
    assert parse_image(bytes(moved)).secure_boot_signature == "none"


def test_knows_the_trailer_of_secure_boot_version_1() -> None:
    image = parse_image(app_image() + bytes(4) + random.Random(1).randbytes(64))
    assert (image.secure_boot_signature, image.total_length) == ("v1", image.length + 68)


def test_every_cut_is_refused_as_truncated() -> None:
    image = app_image(size=8192)
    for length in (*range(200), *range(200, len(image), 97), len(image) - 1):
        assert refused(image[:length]).kind is Reason.TRUNCATED, length


def test_every_flipped_byte_is_refused() -> None:
    image = app_image(size=4096)
    kinds = set()
    for at in range(len(image)):
        broken = bytearray(image)
        broken[at] ^= 0x40
        kinds.add(refused(bytes(broken)).kind)
    assert {Reason.BAD_CHECKSUM, Reason.BAD_HASH, Reason.BAD_HEADER} <= kinds


def test_a_changed_header_breaks_the_hash() -> None:
    broken = bytearray(app_image())
    broken[2] ^= 1
    assert refused(bytes(broken)).kind is Reason.BAD_HASH


def test_an_image_without_hash_is_refused() -> None:
    image = bytearray(app_image())
    image[23] = 0
    assert refused(bytes(image[:-32])).kind is Reason.NO_HASH


def test_an_encrypted_image_is_told_from_no_image() -> None:
    wrong = refused(b"\x00" + random.Random(2).randbytes(50_000))
    assert wrong.kind is Reason.ENCRYPTED
    assert "encrypted" in wrong.sentence
    assert refused(b"hello " * 1000).kind is Reason.NOT_AN_IMAGE


def test_a_chip_that_is_not_known_is_named() -> None:
    image = bytearray(app_image())
    image[12:14] = (777).to_bytes(2, "little")
    wrong = refused(resealed(bytes(image)))
    assert wrong.kind is Reason.WRONG_CHIP
    assert "777" in wrong.sentence


@pytest.mark.parametrize(("chip", "revision"), [("ESP32", 300), ("ESP32-S3", 300), ("ESP32-C3", 3)])
def test_the_one_revision_number_of_old_builds_counts(chip: str, revision: int) -> None:
    """The major one; on the ESP32-C3 the minor one (ESP-IDF, `esp_image_header_t`)."""
    image = bytearray(app_image(chip=chip))
    image[14], image[15:17] = 3, bytes(2)
    assert parse_image(resealed(bytes(image))).min_revision == revision


def test_revisions_are_read_from_their_places() -> None:
    image = parse_image(app_image(min_revision=0x0102, max_revision=0x0304))
    assert (image.min_revision, image.max_revision) == (0x0102, 0x0304)
    assert parse_image(app_image(max_revision=0)).max_revision is None
    assert parse_image(app_image(max_revision=0xFFFF)).max_revision is None


def test_texts_of_a_descriptor_are_printable() -> None:
    image = bytearray(app_image())
    image[48:80] = b"2.1\x1b[31m\xff\n".ljust(32, b"\0")
    app = parse_image(resealed(bytes(image))).app
    assert app is not None
    assert app.version.isprintable()


def test_flash_settings_do_not_make_another_bootloader() -> None:
    first = bootloader_image(flash_size=4 << 20)
    assert same_code(first, bootloader_image(flash_size=8 << 20) + b"\xff" * 1000)
    assert not same_code(first, bootloader_image(seed=1))
    assert not same_code(first, b"\xff" * 0x7000)


@pytest.mark.parametrize("size", [1, 2, 3, 1021])
def test_a_segment_that_no_bootloader_loads_is_refused(size: int) -> None:
    """Its checksum and hash hold, but lengths must be multiples of 4 (ESP-IDF, "unaligned segment length")."""
    image = app_image()
    first = struct.unpack_from("<I", image, 28)[0]
    body = image[:1] + b"\2" + image[2 : 32 + first] + struct.pack("<II", 0x3FFB0000, size) + bytes(size)
    assert refused(resealed(body + bytes(16 - len(body) % 16 + 32))).kind is Reason.BAD_HEADER
