"""Signatures for secure boot, against Espressif's own signing tool, and what a module with eFuses would start."""

from __future__ import annotations

import random
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from firmware_images.check import check_package
from firmware_images.errors import Reason
from firmware_images.image import parse_image
from firmware_images.opening import open_package
from firmware_images.partition_table import parse_partition_table
from firmware_images.secure_boot import holds_v1, signature_blocks
from firmware_images.starting import why_flash_would_not_start
from firmware_images.target import Target
from tests.fakes import boot_signer
from tests.fakes import firmware_maker as maker

pytestmark = pytest.mark.timeout(180)  # Espressif's tools are processes of their own

APP = maker.app_image(version="2.1.0", size=4096)
MODULE = Target(
    chip="ESP32",
    flash_size=4 << 20,
    chip_revision=301,
    partition_table=parse_partition_table(maker.partition_table()),
    ota_data=maker.ota_data(1),
    bootloader=maker.bootloader_image(),
    secure_boot=True,
)


def blocks_of(image: bytes):
    return signature_blocks(image, parse_image(image).length)


@pytest.mark.parametrize("kind", ["RSA", "P-192", "P-256", "P-384"])
def test_reads_what_espsecure_signs(kind: str, tmp_path: Path) -> None:
    key = boot_signer.a_key(kind)
    signed = boot_signer.sign(tmp_path, APP, key)
    image = parse_image(signed)
    assert (image.secure_boot_signature, image.total_length) == ("v2", len(signed))
    (block,) = blocks_of(signed)
    assert block.holds
    assert block.scheme == ("RSA" if kind == "RSA" else "ECDSA")
    assert block.key_digest == boot_signer.digest(tmp_path, key)


@pytest.mark.parametrize("kind", ["RSA", "P-192", "P-256", "P-384"])
def test_a_block_that_was_changed_does_not_hold(kind: str, tmp_path: Path) -> None:
    """Whoever changes a block can mend its checksum."""
    signed = boot_signer.sign(tmp_path, APP, boot_signer.a_key(kind))
    sector = len(signed) - 4096
    rng = random.Random(kind)
    used = {"RSA": 1196, "P-192": 37 + 48 + 64, "P-256": 37 + 128, "P-384": 53 + 192}[kind]
    gaps = set(range(37 + 48, 37 + 64)) if kind == "P-192" else set()  # P-192 does not fill its field
    tail = 37 + 64 + 48
    places = [
        at for at in range(53 if kind == "P-384" else 36, used) if at not in gaps and (kind != "P-192" or at < tail)
    ]
    for at in rng.sample(places, 40):
        changed = bytearray(signed)
        changed[sector + at] ^= 1 << rng.randrange(8)
        changed[sector + 1196 : sector + 1200] = zlib.crc32(changed[sector : sector + 1196]).to_bytes(4, "little")
        assert not any(block.holds for block in blocks_of(bytes(changed))), at


def packed(folder: Path, app: bytes, **changes):
    return open_package(maker.bundle(folder / "a.zip", content=maker.parts(app=app), **changes))


def refusals(package, target) -> set[Reason]:
    return {refusal.kind for refusal in check_package(package, target, allow_unsigned=True)}


def test_only_a_key_that_the_chip_trusts_is_taken(tmp_path: Path) -> None:
    ours, theirs = boot_signer.a_key(), boot_signer.a_key(number=1)
    trusted = replace(MODULE, key_digests=(boot_signer.digest(tmp_path, ours),))
    assert refusals(packed(tmp_path, boot_signer.sign(tmp_path, APP, ours)), trusted) == set()
    foreign = packed(tmp_path, boot_signer.sign(tmp_path, APP, theirs))
    (refusal,) = check_package(foreign, trusted, allow_unsigned=True)
    assert (refusal.kind, "another key" in refusal.sentence) == (Reason.SECURE_BOOT, True)
    # Where the eFuses don't tell, nothing can be shown.
    (refusal,) = check_package(packed(tmp_path, boot_signer.sign(tmp_path, APP, ours)), MODULE, allow_unsigned=True)
    assert (refusal.kind, "do not tell" in refusal.sentence) == (Reason.SECURE_BOOT, True)
    assert refusals(packed(tmp_path, APP), trusted) == {Reason.SECURE_BOOT}


@pytest.mark.parametrize(("chip", "taken"), [("ESP32", False), ("ESP32-S3", True)])
def test_of_several_signatures_one_is_enough_where_the_rom_looks_at_all(chip: str, taken: bool, tmp_path: Path) -> None:
    ours, theirs = boot_signer.a_key(), boot_signer.a_key(number=1)
    signed = boot_signer.sign(tmp_path, maker.app_image(version="2.1.0", chip=chip, size=4096), theirs, ours)
    assert [block.holds for block in blocks_of(signed)] == [True, True]
    package = open_package(maker.bundle(tmp_path / "a.zip", chip=chip, content=maker.parts(chip, app=signed)))
    module = replace(MODULE, chip=chip, chip_revision=None, key_digests=(boot_signer.digest(tmp_path, ours),))
    assert (refusals(package, module) == set()) == taken


def test_a_signature_that_does_not_hold_is_refused_everywhere(tmp_path: Path) -> None:
    signed = bytearray(boot_signer.sign(tmp_path, APP, boot_signer.a_key()))
    sector = len(signed) - 4096
    signed[sector + 900] ^= 1
    signed[sector + 1196 : sector + 1200] = zlib.crc32(signed[sector : sector + 1196]).to_bytes(4, "little")
    package = packed(tmp_path, bytes(signed))
    assert refusals(package, replace(MODULE, secure_boot=False)) == {Reason.TAMPERED}
    assert refusals(package, MODULE) == {Reason.TAMPERED}


def test_version_1_is_taken_when_the_modules_bootloader_holds_its_key(tmp_path: Path) -> None:
    ours, theirs = boot_signer.a_key("P-256"), boot_signer.a_key("P-256", 1)
    first = replace(MODULE, secure_boot_v1=True)
    signed = boot_signer.sign(tmp_path, APP, ours, version=1)
    package = packed(tmp_path, signed)
    (refusal,) = check_package(package, first, allow_unsigned=True)
    assert (refusal.kind, "version 1 of secure boot" in refusal.sentence) == (Reason.SECURE_BOOT, True)
    noise = random.Random(5).randbytes(20_001)
    for key, taken in ((ours, True), (theirs, False)):
        holding = replace(first, bootloader=noise + boot_signer.public_v1(tmp_path, key) + noise)
        assert (refusals(package, holding) == set()) == taken
    assert holds_v1(signed, len(APP), noise + boot_signer.public_v1(tmp_path, ours))
    assert not holds_v1(signed[:-1] + bytes([signed[-1] ^ 1]), len(APP), noise + boot_signer.public_v1(tmp_path, ours))
    # A signature of version 2 means nothing to version 1, and the other way round.
    assert refusals(packed(tmp_path, boot_signer.sign(tmp_path, APP, boot_signer.a_key())), first) == {
        Reason.SECURE_BOOT
    }
    assert refusals(package, replace(MODULE, key_digests=("00" * 32,))) == {Reason.SECURE_BOOT}


def test_a_blank_module_needs_a_signed_bootloader_too(tmp_path: Path) -> None:
    key = boot_signer.a_key()
    blank = replace(MODULE, partition_table=None, bootloader=None, key_digests=(boot_signer.digest(tmp_path, key),))
    app, plain = boot_signer.sign(tmp_path, APP, key), maker.bootloader_image()
    assert refusals(packed(tmp_path, app), blank) == {Reason.SECURE_BOOT}
    content = maker.parts(app=app) | {0x1000: boot_signer.sign(tmp_path, plain, key)}
    assert refusals(open_package(maker.bundle(tmp_path / "b.zip", content=content)), blank) == set()


def test_a_flash_is_put_back_only_where_it_starts(tmp_path: Path) -> None:
    key = boot_signer.a_key()
    module = replace(MODULE, key_digests=(boot_signer.digest(tmp_path, key),))
    plain = maker.flash_image()
    assert why_flash_would_not_start(plain, replace(module, secure_boot=False)) is None
    assert "not" in (why_flash_would_not_start(plain, module) or "")
    signed = bytearray(plain)
    app = boot_signer.sign(tmp_path, APP, key)
    signed[maker.APP_OFFSET : maker.APP_OFFSET + len(app)] = app
    assert why_flash_would_not_start(bytes(signed), module) is None
    fused = replace(module, secure_boot=False, secure_version=2)
    assert "starts only 2" in (why_flash_would_not_start(plain, fused) or "")
    assert why_flash_would_not_start(b"\xff" * len(plain), module) is None  # as blank as it was kept
