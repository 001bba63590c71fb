"""doctor: which part of the chain to a module fails, and what to do."""

from __future__ import annotations

import argparse
import threading

from app.ask_password import ask_password
from app.modules.doctors import examine
from app.output import Output, Refused, WrongUsage
from device_io.doctor import Check
from device_io.source import LinkError
from device_io.urls import parse_url

_MARKS = {"ok": "ok  ", "warn": "look", "bad": "BAD ", "unknown": "-   "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("url", metavar="URL", help="the link to look at: usb:..., rs485:... or mqtts://...")


def run(args: argparse.Namespace, output: Output) -> int:
    """Print a line a check. Refused (exit code 1) if one is bad."""
    try:
        parse_url(args.url)
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None
    cancelled = threading.Event()
    checks: list[Check] = []
    patient = threading.Thread(
        target=lambda: checks.extend(examine(args.url, cancelled, ask_password)), daemon=True, name="doctor"
    )
    patient.start()
    while patient.is_alive():
        if output.stop.wait(0.1):
            cancelled.set()
            return 0
    for check in checks:
        text = f"{_MARKS[check.state]}  {check.name}: {check.text}"
        output.result(
            {"check": check.name, "state": check.state, "text": check.text, "advice": check.advice},
            f"{text}\n      {check.advice}" if check.advice else text,
        )
    # The first that says what to do: "no answer" may stand before the reason for it.
    bad = min((check for check in checks if check.state == "bad"), key=lambda check: not check.advice, default=None)
    if bad is not None:
        raise Refused(f"{bad.name}: {bad.text} {bad.advice}".rstrip())
    return 0
