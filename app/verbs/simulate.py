"""simulate: a virtual module on real ports until it is stopped."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.output import Output, Refused, WrongUsage
from resources.systems import SYSTEMS

if TYPE_CHECKING:
    from device_io.virtual_module.module import VirtualModule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--usb",
        nargs="?",
        const="auto",
        choices=("auto", "pty", "tcp"),
        help="offer the USB serial port: a pty where the system has them, else a TCP port (default)",
    )
    parser.add_argument("--preset", default="clean", help="the mains and the load (default: clean)")
    parser.add_argument("--replay", type=Path, metavar="FILE.cfg", help="play a COMTRADE recording in a loop")
    parser.add_argument("--channels", metavar="V1=NAME,...", help="channels of the recording, where names do not tell")
    parser.add_argument("--system", choices=SYSTEMS, help="wiring system (default: 3P+N, or that of the recording)")
    parser.add_argument("--fault", default="", metavar="LIST", help="unplug@S,drop=P,corrupt=P,stall@S")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and faults")


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the virtual module; the first line of stdout says where it is."""
    from device_io.virtual_module.faults import FaultError, parse_faults
    from device_io.virtual_module.module import VirtualModule
    from device_io.virtual_module.presets import UnknownPreset
    from device_io.virtual_module.usb_port import UsbPort

    if args.seconds is not None and not args.seconds > 0:
        raise WrongUsage("--seconds needs a number above 0.")
    try:
        faults = parse_faults(args.fault)
        if args.replay is not None:
            module = _replaying(args, output)
        else:
            module = VirtualModule(args.preset, args.system or "3P+N", seed=args.seed)
    except (UnknownPreset, FaultError) as wrong:
        raise WrongUsage(str(wrong)) from None
    port = UsbPort(module, faults, transport=args.usb or "auto")
    try:
        url = port.start()
        output.result({"usb": url, "rs485": None, "wifi": None, "eui": module.info.eui, "truth": module.truth})
        output.stop.wait(args.seconds)
    except OSError as wrong:
        raise Refused(f"The virtual module could not open its port: {wrong}.") from None
    finally:
        port.stop()
    return 0


def _replaying(args: argparse.Namespace, output: Output) -> VirtualModule:
    from app.verbs.analyze import parse_channels
    from device_io.comtrade import FileError, open_comtrade
    from device_io.virtual_module.module import VirtualModule
    from device_io.virtual_module.replay import MAX_LOOP_S, Recording, ReplayError

    mapping = parse_channels(args.channels) if args.channels is not None else None
    try:
        with open_comtrade(args.replay, mapping, system=args.system) as record:
            for note in record.notes:
                output.note(note)
            wanted = min(record.samples, int(MAX_LOOP_S * record.rate_hz))
            _, samples = next(record.blocks(wanted))
            channels = {key: samples[:, column] for column, key in enumerate(record.assigned)}
            return VirtualModule(args.preset, record.system, seed=args.seed, replay=Recording(channels, record.rate_hz))
    except (FileError, ReplayError) as wrong:
        raise Refused(str(wrong)) from None
