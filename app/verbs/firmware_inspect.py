"""firmware inspect, bundle, list: what a firmware is, making a bundle, what is at hand. None of them needs a module."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.firmware.inspect_words import entry_to_json, entry_to_text, package_to_json, package_to_text
from app.firmware.keeping import trusted_keys
from app.output import Output, Refused, WrongUsage
from firmware_images.bundle import DEFAULT_LICENCE, WIRING_TYPES, make_bundle
from firmware_images.catalogue import BUNDLES, scan_folder
from firmware_images.check import check_alone
from firmware_images.errors import ImageError
from firmware_images.manifest import LONGEST_TEXT, MOST_TEXTS
from firmware_images.opening import open_packages
from firmware_images.signing import TrustedKey, is_locked, is_private, load_key, make_key
from firmware_images.versions import parse_version

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUB_VERBS = ("inspect", "bundle", "list")
_LONGEST_NOTES = 64 << 10


def add_arguments(sub_verbs: Any) -> None:
    """Declare the sub-verbs. sub_verbs: what `parser.add_subparsers(dest="sub_verb")` gave."""
    inspect = sub_verbs.add_parser("inspect", help="tell what a firmware is")
    inspect.add_argument("path", metavar="PATH", type=Path, help="bundle, build folder, manifest.json or image")
    _add_common(inspect)
    bundle = sub_verbs.add_parser("bundle", help="pack a build into a signed bundle")
    bundle.add_argument("source", metavar="DIR", type=Path, help="ESP-IDF build folder, or a manifest.json")
    bundle.add_argument("--out", metavar="ZIP", type=Path, required=True, help="the bundle to write")
    bundle.add_argument("--key", metavar="FILE", type=Path, help="private Ed25519 key (PEM); without: not signed")
    bundle.add_argument("--new-key", action="store_true", help="make the key file first")
    bundle.add_argument("--board", action="append", default=[], help="board it is for; may be repeated")
    bundle.add_argument("--wiring", action="append", choices=WIRING_TYPES, help="wiring it can measure (default: all)")
    bundle.add_argument("--notes", metavar="FILE", type=Path, help="text file with release notes, a line each")
    bundle.add_argument("--minimum-version", metavar="V", help="the oldest version it may be installed over")
    bundle.add_argument("--licence", default=DEFAULT_LICENCE, help=f"licence of the firmware ({DEFAULT_LICENCE})")
    _add_common(bundle)
    listing = sub_verbs.add_parser("list", help="list the bundles in a folder")
    listing.add_argument("--folder", metavar="DIR", type=Path, help="folder (default: what came with the application)")
    listing.add_argument("--online", action="store_true", help="ask the signed list at the address that is set")
    _add_common(listing)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do one of the sub-verbs."""
    try:
        {"inspect": _inspect, "bundle": _bundle, "list": _list}[args.sub_verb](args, output)
    except ImageError as wrong:
        raise Refused(wrong.sentence) from None
    return 0


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trusted-key", metavar="FILE", type=Path, action="append", default=[], help="a public key to trust as well"
    )
    # Also before the sub-verb: SUPPRESS keeps what was set there.
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON lines only")


def _inspect(args: argparse.Namespace, output: Output) -> None:
    for package in open_packages(args.path, trusted_keys=_trusted_keys(args)):
        refusals = check_alone(package)
        output.result(package_to_json(package, refusals), package_to_text(package, refusals))


def _bundle(args: argparse.Namespace, output: Output) -> None:
    if args.minimum_version is not None and parse_version(args.minimum_version) is None:
        raise WrongUsage(f'--minimum-version: "{args.minimum_version}" is no version. Write it as 2.1.0.')
    if args.new_key and args.key is None:
        raise WrongUsage("--new-key needs --key FILE: where to put the key.")
    key = _signing_key(args, output) if args.key is not None else None
    packages = make_bundle(
        args.source,
        args.out,
        key,
        boards=args.board,
        wiring_types=args.wiring or WIRING_TYPES,
        notes=_notes(args.notes) if args.notes is not None else (),
        licence=args.licence,
        minimum_version=args.minimum_version,
    )
    if key is None:
        output.note("The bundle is not signed: modules take it with --allow-unsigned only. --key FILE signs it.")
    for package in packages:
        fields = {"result": "ok", "path": str(args.out), **package_to_json(package, [])}
        output.result(fields, f"{args.out}: {package_to_text(package, [])}")


def _list(args: argparse.Namespace, output: Output) -> None:
    if args.folder is not None and not args.folder.is_dir():
        raise Refused(f"There is no folder {args.folder}.")
    catalogue = scan_folder(args.folder or BUNDLES, trusted_keys=_trusted_keys(args))
    for entry in catalogue.entries:
        output.result(entry_to_json(entry), entry_to_text(entry))
    for problem in catalogue.problems:
        output.note(problem)
    if not catalogue.entries:
        output.note(f"There is no firmware bundle in {args.folder or BUNDLES}.")


def _trusted_keys(args: argparse.Namespace) -> tuple[TrustedKey, ...]:
    """The same as for flashing."""
    try:
        return trusted_keys(args.trusted_key)
    except FileNotFoundError as missing:
        raise Refused(f"There is no key file {missing}.") from None


def _signing_key(args: argparse.Namespace, output: Output) -> Ed25519PrivateKey:
    if args.new_key:
        made = make_key(args.key)
        output.note(
            f"Made {args.key} (keep it to yourself) and {args.key}.pub (for those who trust you): {made.key_id}"
        )
    passphrase = _passphrase(args.key) if is_locked(args.key) else None
    if not is_private(args.key):
        output.note(f"Others can read {args.key}. Take that right from them: chmod 600 {args.key}")
    return load_key(args.key, passphrase)


def _passphrase(path: Path) -> str:
    file = os.environ.get("SENSIX_PASSWORD_FILE")
    if file:
        try:
            return Path(file).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError):
            raise Refused(f"{file} (SENSIX_PASSWORD_FILE) can't be read.") from None
    if not sys.stdin.isatty():
        raise Refused(f"The key in {path} needs a passphrase. Name a file that holds it in SENSIX_PASSWORD_FILE.")
    return getpass.getpass(f"Passphrase of {path}: ")


def _notes(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > _LONGEST_NOTES:
            raise Refused(f"{path} is too long for release notes (at most {_LONGEST_NOTES >> 10} KiB).")
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise Refused(f"{path} can't be read as text. Give the release notes as a text file in UTF-8.") from None
    lines = ("".join(c if c.isprintable() else " " for c in line).rstrip() for line in text.splitlines())
    notes = tuple(line for line in lines if line)
    if len(notes) > MOST_TEXTS or any(len(line) > LONGEST_TEXT for line in notes):
        raise Refused(f"{path} is too long for release notes: {MOST_TEXTS} lines of {LONGEST_TEXT} letters at most.")
    return notes
