"""firmware: flash, back up and restore a module over USB, bring it into the network, and look at firmware."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from app.firmware.inspect_words import entry_to_json, entry_to_text
from app.firmware.keeping import bundles_folder, source, updates_folder
from app.output import Output, Refused, WrongUsage
from app.verbs import firmware_inspect

BAUDS = (115_200, 230_400, 460_800, 921_600, 1_500_000, 2_000_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the sub-verbs and their options."""
    sub_verbs = parser.add_subparsers(dest="sub_verb", required=True, metavar="ACTION")

    flash = _with_port(sub_verbs.add_parser("flash", help="write a firmware; settings and calibration stay"))
    flash.add_argument("bundle", metavar="BUNDLE", type=Path, nargs="?", help="bundle, build folder or manifest.json")
    flash.add_argument("--allow-unsigned", action="store_true", help="take firmware that nobody known has signed")
    flash.add_argument("--board", help="the module's board, where it is known")
    flash.add_argument("--trusted-key", metavar="FILE", type=Path, action="append", default=[], help="a key to trust")
    _add_recovery(flash)
    _add_writing(flash)

    backup = _with_port(sub_verbs.add_parser("backup", help="keep the whole flash and the settings in a file"))
    backup.add_argument("file", metavar="FILE", type=Path, help="the file to make")
    _add_speed(backup)
    backup.add_argument("--yes", action="store_true", help="write over a file that is there")

    restore = _with_port(sub_verbs.add_parser("restore", help="put a backup back"))
    restore.add_argument("file", metavar="FILE", type=Path, nargs="?", help="a backup of this module")
    restore.add_argument("--settings-only", action="store_true", help="put the settings back, over the link")
    _add_recovery(restore)
    _add_writing(restore)

    provision = _with_port(sub_verbs.add_parser("provision", help="bring the module into the network"))
    provision.add_argument("--ssid", metavar="NAME", help="the WiFi network")
    provision.add_argument("--open", action="store_true", help="the network has no password")
    provision.add_argument("--scan", action="store_true", help="list the networks that the module sees")
    provision.add_argument("--broker", metavar="URL", help="mqtts://[user@]host[:port][/TOKEN/EUI][?ca=FILE]")
    provision.add_argument("--wait", metavar="S", type=float, default=60.0, help="for the first reading (60)")
    provision.add_argument("--yes", action="store_true", help=argparse.SUPPRESS)  # there is nothing to ask

    for sub_verb in sub_verbs.choices.values():  # --json may stand anywhere after the verb
        sub_verb.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON lines only")
    firmware_inspect.add_arguments(sub_verbs)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do one of the sub-verbs."""
    if args.sub_verb == "list" and args.online:
        return _list_online(output)
    if args.sub_verb in firmware_inspect.SUB_VERBS:
        code = firmware_inspect.run(args, output)
        if args.sub_verb == "list" and args.folder is None:
            for folder in (bundles_folder(), updates_folder() / "bundles"):
                args.folder = folder
                code = firmware_inspect.run(args, output) if folder.is_dir() else code
        return code
    if args.sub_verb == "provision":
        from app.verbs import firmware_provision

        return firmware_provision.run(args, output)
    if args.baud not in BAUDS:
        raise WrongUsage(f"--baud is one of {', '.join(str(baud) for baud in BAUDS)}.")
    from app.verbs import firmware_jobs

    return firmware_jobs.run(args, output)


def _list_online(output: Output) -> int:
    """What the signed list at the user's address holds. :raises Refused:"""
    from app.firmware.updates import UpdateError

    try:
        catalogue = source().updates().refresh()
    except UpdateError as wrong:
        raise Refused(str(wrong)) from None
    for entry in catalogue.entries:
        output.result(entry_to_json(entry), entry_to_text(entry))
    if not catalogue.entries:
        output.note("The list is empty.")
    return 0


def _with_port(parser: Any) -> Any:
    parser.add_argument("port", metavar="PORT", help="device name, pyserial URL or usb:PORT")
    return parser


def _add_recovery(parser: Any) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--finish", action="store_true", help="finish the job that was broken off on this module")
    group.add_argument("--go-back", action="store_true", help="go back to what was there before that job")


def _add_writing(parser: Any) -> None:
    parser.add_argument("--yes", action="store_true", help="answer what a person would be asked")
    parser.add_argument("--no-backup", action="store_true", help="do not keep the whole flash first")
    _add_speed(parser)


def _add_speed(parser: Any) -> None:
    parser.add_argument("--baud", type=int, default=460_800, help="baud of the loader (default: 460800)")
