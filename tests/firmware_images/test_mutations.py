"""Firmware changed at random: every change is refused, or changes nothing that reaches a module.

Why a mutant may be taken, and what must hold then:
- an image: its SHA-256 covers all bytes before it, and behind it only erased bytes (FF) may follow. So a mutant that is
  taken carries the same application, byte for byte;
- a partition table: the MD5 covers all rows, and only FF may follow. So the rows are the same;
- a signed bundle: the signature covers the manifest, the manifest's SHA-256 cover the parts. What is free is the zip
  around them (dates, attributes, order). So the package is equal in every field;
- a build folder and an unsigned bundle have no signature: their lists may name fewer parts, and other words. So each
  part is one of the original ones, in its place.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random, randrange
from typing import Any

import pytest

from app.firmware.inspect_words import package_to_json, package_to_text
from firmware_images.check import check_alone, check_package, warnings_for
from firmware_images.errors import ImageError
from firmware_images.opening import open_bytes, open_package
from firmware_images.ota_data import ota_data_for, parse_ota_data
from firmware_images.partition_table import parse_partition_table
from firmware_images.signing import TrustedKey
from tests.fakes import firmware_maker as maker
from tests.firmware_images.test_check import MODULE

QUICK, FULL = 400, 10_000
CONTENT = maker.parts(app=maker.app_image(size=8192)) | {0x1000: maker.bootloader_image(size=0x800)}


def mutated(data: bytes, chance: Random) -> bytes:
    """1 to 3 changes: bits, bytes, cuts, insertions, copies of one place to another."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not changed:
            break
        # Every second change hits the first 64 bytes or the last: headers, hashes, end records.
        at = chance.choice((chance.randrange(len(changed)), chance.randrange(min(64, len(changed)))))
        if chance.random() < 0.25:
            at = len(changed) - 1 - at % min(64, len(changed))
        length = chance.choice((1, 2, 4, 16, 300))
        kind = chance.randrange(7)
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at] = chance.choice((0, 0xFF, 0xE9, chance.randrange(256)))
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = chance.choice((bytes(length), b"\xff" * length, chance.randbytes(length)))
        elif kind == 4:
            del changed[at:]
        elif kind == 5:
            there = chance.randrange(len(changed))
            changed[at : at + length] = changed[there : there + length]
        else:
            changed[at : at + length] = chance.randbytes(len(changed[at : at + length]))
    return bytes(changed)


def image_mutant(chance: Random, _: Path) -> bool:
    whole = CONTENT[0x10000]
    try:
        (package,) = open_bytes(mutated(whole, chance), "app.bin")
    except ImageError:
        return False
    assert package.app is not None
    assert package.app.data == whole
    check_package(package, MODULE)
    return True


def merged_mutant(chance: Random, _: Path) -> bool:
    try:
        (package,) = open_bytes(mutated(maker.merged_image(content=CONTENT), chance), "merged.bin")
    except ImageError:
        return False
    # Between the parts of a merged image lies what nobody writes; its OTA data is made anew for the module.
    for part in package.parts:
        if part.role in ("app", "bootloader"):
            assert part.data == CONTENT[part.offset]
    assert package.table is None or package.table == parse_partition_table(CONTENT[0x8000])
    check_package(package, MODULE)
    return True


def table_mutant(chance: Random, _: Path) -> bool:
    whole = CONTENT[0x8000]
    try:
        (package,) = open_bytes(mutated(whole, chance), "table.bin")
    except ImageError:
        return False
    assert package.table == parse_partition_table(whole)
    return True


def ota_data_mutant(chance: Random, _: Path) -> bool:
    layout = parse_partition_table(CONTENT[0x8000])
    there = mutated(maker.ota_data(5, 6), chance)
    try:
        read = parse_ota_data(there)
    except ImageError:
        return False
    for slot in (0, 1):  # whatever is there, the wanted slot boots
        assert parse_ota_data(ota_data_for(slot, layout, there)).slot(layout) == slot
    return read == parse_ota_data(maker.ota_data(5, 6))


KEY = maker.new_key()
TRUSTED = (TrustedKey(KEY.public_key().public_bytes_raw()),)


def bundle_mutant(chance: Random, folder: Path) -> bool:
    path = folder / "whole.zip"
    if not path.exists():
        maker.bundle(path, key=KEY, content=CONTENT)
    whole = path.read_bytes()
    if chance.random() < 0.5:
        data = mutated(whole, chance)
    else:  # one that knows how to pack a zip changes a file inside
        with zipfile.ZipFile(BytesIO(whole)) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        name = chance.choice(list(files))
        files[name] = mutated(files[name], chance)
        data = maker.zip_of(list(files.items()))
    try:
        (package,) = open_bytes(data, "a.zip", trusted_keys=TRUSTED)
    except ImageError:
        return False
    assert package == open_package(path, trusted_keys=TRUSTED)
    assert check_package(package, MODULE) == []
    return True


def build_mutant(chance: Random, folder: Path) -> bool:
    maker.build_folder(folder / "build", content=CONTENT)
    path = folder / "build" / chance.choice(("flasher_args.json", "sensix.bin", "bootloader/bootloader.bin"))
    path.write_bytes(mutated(path.read_bytes(), chance))
    try:
        package = open_package(folder / "build")
    except ImageError:
        return False
    for part in package.parts:
        assert CONTENT[part.offset] == part.data
    check_package(package, MODULE)
    warnings_for(package, MODULE)
    return True


STRANGE = (
    None, True, False, 0, -1, 1 << 70, 1.5, "", "x" * 2000, "\x00", "../a", "ESP32-C3", "2.1.0", [], [[]], {}, {"a": 1},
    [None], "\u202e", "ff" * 32, 0x10000, "0x10000", [1, 2, 3],
)  # fmt: skip


def strange(value: Any, chance: Random) -> Any:
    """The same JSON with one value somewhere replaced, taken out or doubled."""
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: value[name] for name in value if name != key}
        return {**value, key: strange(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return value[:at] + [strange(value[at], chance)] * chance.choice((1, 1, 2)) + value[at + 1 :]
    return chance.choice(STRANGE)


def manifest_mutant(chance: Random, folder: Path) -> bool:
    path = folder / "unsigned.zip"
    if not path.exists():
        maker.bundle(path, content=CONTENT)
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["manifest.json"] = json.dumps(strange(json.loads(files["manifest.json"]), chance)).encode()
    try:
        packages = open_bytes(maker.zip_of(list(files.items())), "a.zip", trusted_keys=TRUSTED)
    except ImageError:
        return False
    for package in packages:
        assert package.signature == "none"
        assert package.chip == "ESP32"
        for part in package.parts:
            assert CONTENT[part.offset] == part.data
        check_package(package, MODULE)
        warnings_for(package, MODULE)
        package_to_text(package, check_alone(package))
        json.dumps(package_to_json(package, check_alone(package)), allow_nan=False)
    return True


MUTANTS: list[Callable[[Random, Path], bool]] = [
    image_mutant, merged_mutant, table_mutant, ota_data_mutant, bundle_mutant, bundle_mutant, build_mutant,
    manifest_mutant,
]  # fmt: skip


def campaign(count: int, folder: Path) -> None:
    seed = randrange(2**48)
    taken = 0
    for n in range(count):
        try:
            taken += MUTANTS[n % len(MUTANTS)](Random(seed + n), folder)
        except Exception as wrong:
            raise AssertionError(f"{MUTANTS[n % len(MUTANTS)].__name__}(Random({seed + n}), ...)") from wrong
    # Most changes hit what a rule covers; a campaign that is taken often does not change what it believes to change.
    assert taken < count / 4, (taken, seed)


def test_a_sample_of_mutants(tmp_path: Path) -> None:
    campaign(QUICK, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_all_mutants(tmp_path: Path) -> None:
    campaign(FULL, tmp_path)


def test_the_unchanged_are_taken(tmp_path: Path) -> None:
    """The campaign would pass with a reader that refuses everything: it must not."""
    package = open_package(maker.bundle(tmp_path / "a.zip", key=KEY, content=CONTENT), trusted_keys=TRUSTED)
    assert check_package(package, MODULE) == []
    assert open_package(maker.build_folder(tmp_path, content=CONTENT)).app is not None
    (whole,) = open_bytes(CONTENT[0x10000] + b"\xff" * 99, "app.bin")
    assert whole.app is not None
    assert whole.app.data == CONTENT[0x10000]
