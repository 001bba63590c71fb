"""What a firmware package is, as JSON for programs and as text for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from firmware_images.catalogue import CatalogueEntry
from firmware_images.check import Refusal
from firmware_images.image import AppImage, parse_image
from firmware_images.package import FirmwarePackage, Part
from firmware_images.partition_table import PartitionTable
from firmware_images.secure_boot import signature_blocks

KINDS = {
    "bundle": "Sensix bundle",
    "build-folder": "ESP-IDF build folder",
    "web-manifest": "ESP Web Tools manifest",
    "image": "single image",
    "merged-image": "merged image",
}
SIGNATURES = {
    "trusted": "signed with a trusted key",
    "unknown": "signed with a key that is not trusted here",
    "none": "not signed",
}


def package_to_json(package: FirmwarePackage, refusals: Sequence[Refusal]) -> dict[str, Any]:
    """All that is known of a package. Offsets and sizes are bytes; revisions are in hundredths (301 = v3.1)."""
    return {
        "kind": package.kind,
        "name": package.name,
        "project": package.project,
        "chip": package.chip or None,
        "version": package.version or None,
        "boards": list(package.boards),
        "wiring_types": list(package.wiring_types),
        "minimum_version": package.min_version,
        "secure_version": package.secure_version,
        "licence": package.licence,
        "notes": list(package.notes),
        "signature": package.signature,
        "key_id": package.key_id,
        "signer": package.signer or None,
        "parts": [_part_to_json(part) for part in package.parts],
        "partitions": _table_to_json(package.table),
        "refusals": [{"kind": str(refusal.kind), "reason": refusal.sentence} for refusal in refusals],
    }


def package_to_text(package: FirmwarePackage, refusals: Sequence[Refusal]) -> str:
    """A few lines for people."""
    title = " ".join(text for text in (package.name, package.version) if text) or "Firmware"
    lines = [f"{title}: {KINDS[package.kind]}, {package.chip or 'chip not known'}, {SIGNATURES[package.signature]}"]
    facts = [
        ("project", package.project if package.project != package.name else ""),
        ("boards", ", ".join(package.boards)),
        ("wiring", ", ".join(package.wiring_types)),
        ("installs over", f"{package.min_version} or later" if package.min_version else ""),
        ("secure version", str(package.secure_version) if package.secure_version else ""),
        ("licence", package.licence or ""),
        ("key", " ".join(text for text in (package.key_id, package.signer) if text)),
    ]
    lines += [f"  {name:<15} {value}" for name, value in facts if value]
    lines += [f"  {line}" for part in package.parts for line in _part_lines(part)]
    if package.table is not None:
        lines.append("  layout of the flash:")
        lines += [
            f"    {row.offset:#9x} {row.size:#9x}  {row.kind:<14} {row.label}" for row in package.table.partitions
        ]
    if package.notes:
        lines += ["  notes:", *(f"    {note}" for note in package.notes)]
    lines += [f"  refused: {refusal.sentence}" for refusal in refusals]
    return "\n".join(lines)


def entry_to_json(entry: CatalogueEntry) -> dict[str, Any]:
    """A bundle of a catalogue."""
    return {
        "name": entry.name,
        "version": entry.version,
        "chip": entry.chip,
        "boards": list(entry.boards),
        "path": str(entry.path) if entry.path is not None else None,
        "url": entry.url,
        "size": entry.size,
        "sha256": entry.sha256,
        "signature": entry.signature,
        "notes": list(entry.notes),
    }


def entry_to_text(entry: CatalogueEntry) -> str:
    """A bundle of a catalogue, in one line."""
    boards = f", for {', '.join(entry.boards)}" if entry.boards else ""
    where = entry.path if entry.path is not None else entry.url
    return f"{entry.name} {entry.version}, {entry.chip}{boards}, {SIGNATURES[entry.signature]}: {where}"


def _part_to_json(part: Part) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "offset": part.offset,
        "size": len(part.data),
        "role": part.role,
        "label": part.label,
        "sha256": part.sha256,
    }
    if part.role in ("app", "bootloader"):
        image = parse_image(part.data)
        signed = signature_blocks(part.data, image.length)
        keys = [{"scheme": block.scheme, "key_digest": block.key_digest, "holds": block.holds} for block in signed]
        fields["image"] = {**_image_to_json(image), "secure_boot_keys": keys}
    return fields


def _image_to_json(image: AppImage) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "chip": image.chip.name,
        "segments": len(image.segments),
        "flash_size": image.flash_size,
        "min_revision": image.min_revision,
        "max_revision": image.max_revision,
        "sha256": image.sha256,
        "secure_boot_signature": image.secure_boot_signature,
    }
    if image.app is not None:
        fields |= {
            "version": image.app.version,
            "project": image.app.project,
            "built": f"{image.app.date} {image.app.time}",
            "idf_version": image.app.idf_version,
            "min_block_revision": image.app.min_efuse_block_revision,
            "max_block_revision": image.app.max_efuse_block_revision,
        }
    elif image.bootloader is not None:
        fields |= {"built": image.bootloader.date_time, "idf_version": image.bootloader.idf_version}
    return fields


def _part_lines(part: Part) -> list[str]:
    lines = [f"{part.offset:#9x} {len(part.data):>9} bytes  {part.role:<15} {part.label}", f"    SHA-256 {part.sha256}"]
    if part.role in ("app", "bootloader"):
        image = parse_image(part.data)
        described = image.app or image.bootloader
        words = [f"from chip revision v{image.min_revision // 100}.{image.min_revision % 100}"]
        if image.max_revision is not None:
            words.append(f"up to v{image.max_revision // 100}.{image.max_revision % 100}")
        if described is not None:
            words.insert(0, f"ESP-IDF {described.idf_version}")
        if image.secure_boot_signature != "none":
            words.append(f"signed for secure boot {image.secure_boot_signature}")
        lines.append("    " + ", ".join(words))
        for block in signature_blocks(part.data, image.length):
            lines.append(f"    {block.scheme} key {block.key_digest}{'' if block.holds else ', which does not hold'}")
    return lines


def _table_to_json(table: PartitionTable | None) -> list[dict[str, Any]] | None:
    if table is None:
        return None
    return [
        {"label": row.label, "kind": row.kind, "offset": row.offset, "size": row.size, "flags": row.flags}
        for row in table.partitions
    ]
