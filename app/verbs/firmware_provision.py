"""firmware provision: WiFi and broker of a module over its USB port. Passwords are asked for, or read from a file."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from app.firmware.words import STEPS
from app.output import Output, Refused, WrongUsage
from device_io.provisioning import Provisioned, Step, Wish, networks, provision
from device_io.source import LinkError
from device_io.urls import LinkUrl, MqttUrl, parse_serial_url, parse_url

FILE_VARIABLE = "SENSIX_PASSWORD_FILE"
Result = TypeVar("Result")


def run(args: argparse.Namespace, output: Output) -> int:
    """Provision, or list networks."""
    if bool(args.ssid) == args.scan:
        raise WrongUsage("Name the network with --ssid NAME, or list those in reach with --scan.")
    if not args.wait > 0:
        raise WrongUsage("--wait needs a number of seconds above 0.")
    try:
        port = parse_serial_url(args.port)
        broker = parse_url(args.broker) if args.broker is not None else None
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None
    if broker is not None and not isinstance(broker, MqttUrl):
        raise WrongUsage(f"{args.broker!r} is not the address of a broker. Write mqtts://HOST.")
    if args.scan:
        return _scan(port, output)
    try:
        wish = _wish(args, broker)
    except Refused as why:
        result = Provisioned("refused", str(why), Step.WIFI)
    else:
        result = _in_the_background(
            lambda stop: provision(
                port,
                wish,
                reading_s=args.wait,
                progress=lambda step: _progress(step, output),
                cancelled=stop,
            ),
            output,
        )
    return _tell(result, output)


def _scan(port: LinkUrl, output: Output) -> int:
    try:
        found = _in_the_background(lambda stop: networks(port, stop), output)
    except LinkError as wrong:
        raise Refused(str(wrong)) from None
    for network in found:
        text = f"{network.ssid}: {network.rssi_dbm} dBm, {'locked' if network.locked else 'open'}"
        output.result({"ssid": network.ssid, "rssi_dbm": network.rssi_dbm, "locked": network.locked}, text)
    if not found:
        output.note("The module sees no network. It takes 2.4 GHz ones only; move it closer to the router.")
    return 0


def _wish(args: argparse.Namespace, broker: MqttUrl | None) -> Wish:
    with_user = broker is not None and broker.user is not None
    wanted = [] if args.open else [f"Password of the network {args.ssid}"]
    if broker is not None and with_user:
        wanted.append(f"Password of {broker.user} at {broker.host}")
    given = _passwords(wanted)
    return Wish(args.ssid, "" if args.open else given.pop(0), broker, given.pop(0) if with_user else None)


def _passwords(wanted: list[str]) -> list[str]:
    """One for each question, in order: the lines of the file, or a person's answers."""
    file = os.environ.get(FILE_VARIABLE)
    if not wanted:
        return []
    if file:
        try:
            lines = Path(file).read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            raise Refused(f"The password file {file} can't be read. Check {FILE_VARIABLE}.") from None
        given = [line.rstrip("\r") for line in lines][: len(wanted)]
        if len(given) < len(wanted) or not all(given):
            raise Refused(f"The password file needs a line for each of these, in this order: {'; '.join(wanted)}.")
        return given
    if not sys.stdin.isatty():
        raise Refused(f"{wanted[0]} is needed. Put it into a file and name that file in {FILE_VARIABLE}.")
    return [getpass.getpass(f"{question}: ") for question in wanted]


def _in_the_background(job: Callable[[threading.Event], Result], output: Output) -> Result:
    """On a thread of its own, so that signals and closed pipes are heard meanwhile."""
    stop = threading.Event()
    results: list[Result] = []
    faults: list[LinkError] = []

    def work() -> None:
        try:
            results.append(job(stop))
        except LinkError as fault:
            faults.append(fault)

    worker = threading.Thread(target=work, name="provisioning", daemon=True)
    worker.start()
    while worker.is_alive():
        if output.stop.is_set():
            stop.set()
        worker.join(0.1)
    if faults:
        raise faults[0]
    return results[0]


def _progress(step: Step, output: Output) -> None:
    if output.as_json:
        output.result({"stage": str(step), "done": list(Step).index(step), "total": len(Step), "eta_s": None})
    else:
        output.note(f"{STEPS[step]} ...")


def _tell(result: Provisioned, output: Output) -> int:
    from device_io.mqtt.module_url import module_url

    url = module_url(result.module) if result.module is not None else None
    fields: dict[str, Any] = {"result": result.result, "reason": result.reason, "stage": str(result.step), "wifi": url}
    for note in result.notes:
        output.note(note)
    if result.result == "ok":
        output.result(fields, f"The module is heard at {url}" if url else "The module is in the network.")
        return 0
    if output.as_json:
        output.result(fields)
    raise Refused(result.reason)
