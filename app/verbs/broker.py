"""broker: the broker for a home without one, until it is stopped."""

from __future__ import annotations

import argparse
from pathlib import Path

from app.data_folder import data_folder
from app.modules.home_broker import PORT, HomeBroker
from app.output import Output, Refused, WrongUsage


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("--port", type=int, default=PORT, help=f"default: {PORT}")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all of this computer)")
    parser.add_argument("--folder", type=Path, help="where certificates and passwords are kept")
    parser.add_argument(
        "--add", metavar="EUI", action="append", default=[], help="make a password for this module and print it"
    )


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the broker; lines of stdout say where it is and what each module needs."""
    from device_io.mqtt.embedded_broker import BrokerFailure

    if not 1 <= args.port <= 65_535:
        raise WrongUsage("--port needs a number from 1 to 65535.")
    if any(len(eui) != 16 or any(c not in "0123456789abcdefABCDEF" for c in eui) for eui in args.add):
        raise WrongUsage("An EUI has 16 digits 0-9 and A-F. It stands on the module's label.")
    broker = HomeBroker(args.folder or data_folder() / "broker", port=args.port, host=args.host)
    try:
        url = broker.start()
        output.result({"broker": url}, f"The broker runs: {url}")
        for eui in args.add:
            access = broker.add_module(eui)
            told = {key: str(value) if key == "ca_file" else value for key, value in access._asdict().items()}
            output.result(told, "\n".join(f"  {key}: {value}" for key, value in told.items()))
        output.stop.wait(None)
    except BrokerFailure as wrong:
        raise Refused(str(wrong)) from None
    finally:
        broker.stop()
    return 0
