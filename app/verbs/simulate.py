"""simulate: a virtual module on real ports until it is stopped."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from app.ask_password import ask_password
from app.output import Output, Refused, WrongUsage
from device_io.discovery.virtual_registry import announced
from device_io.source import LinkError
from device_io.urls import MqttUrl, parse_url
from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.esp32.faults import BoardFaults, parse_all_faults
from device_io.virtual_module.faults import FaultError, Faults
from device_io.virtual_module.presets import UnknownPreset
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_faults import PREFIX, RtuFaults, parse_rtu_faults
from device_io.virtual_module.usb_port import UsbPort
from resources.systems import SYSTEMS

if TYPE_CHECKING:
    from device_io.virtual_module.module import VirtualModule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "--usb",
        nargs="?",
        const="auto",
        choices=("auto", "pty", "tcp", "rfc2217"),
        help="offer the USB serial port: a pty where the system has them, else a TCP port (default)",
    )
    parser.add_argument(
        "--rs485",
        nargs="?",
        const="auto",
        choices=("auto", "pty", "tcp"),
        help="offer the RS485 port, Modbus RTU, on a pty or a TCP port",
    )
    parser.add_argument(
        "--wifi", metavar="URL", help="publish at this broker: mqtts://[user@]host[:port][/TOKEN/EUI][?ca=FILE]"
    )
    parser.add_argument(
        "--published-firmware", action="store_true", help="over WiFi, imitate the published firmware with its faults"
    )
    parser.add_argument("--flash", type=Path, metavar="FILE", help="keep the module's flash memory in this file")
    parser.add_argument("--paced", action="store_true", help="flashing and RS485 take the time their bits take")
    parser.add_argument("--preset", default="clean", help="the mains and the load (default: clean)")
    parser.add_argument("--replay", type=Path, metavar="FILE.cfg", help="play a COMTRADE recording in a loop")
    parser.add_argument("--channels", metavar="V1=NAME,...", help="channels of the recording, where names do not tell")
    parser.add_argument("--system", choices=SYSTEMS, help="wiring system (default: 3P+N, or that of the recording)")
    parser.add_argument("--fault", default="", metavar="LIST", help="unplug@S,drop=P,corrupt=P,stall@S,rtu-...")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument("--seed", type=int, default=0, help="seed of noise and faults")


def run(args: argparse.Namespace, output: Output) -> int:
    """Run the virtual module; the first line of stdout says where it is."""
    from device_io.virtual_module.module import VirtualModule

    if args.seconds is not None and not args.seconds > 0:
        raise WrongUsage("--seconds needs a number above 0.")
    broker = _broker(args.wifi) if args.wifi else None
    eui = broker.eui.upper() if broker is not None and broker.eui else None
    try:
        faults = _parse_faults(args.fault)
        if args.replay is not None:
            module = _replaying(args, output, eui)
        else:
            module = VirtualModule(args.preset, args.system or "3P+N", seed=args.seed, eui=eui)
    except (UnknownPreset, FaultError) as wrong:
        raise WrongUsage(str(wrong)) from None
    if not (args.usb or args.rs485 or args.wifi):
        args.usb = "auto"
    with contextlib.ExitStack() as ports:
        urls = _open_ports(args, output, broker, module, faults, ports)
        if output.stop.is_set():
            return 0
        ports.enter_context(announced([url for url in urls.values() if url]))
        output.result({**urls, "eui": module.info.eui, "truth": module.truth})
        output.stop.wait(args.seconds)
    return 0


class _AllFaults(NamedTuple):
    line: Faults
    board: BoardFaults
    bus: RtuFaults


def _parse_faults(text: str) -> _AllFaults:
    """Faults of lines, of the chip that is flashed, and of RS485, from one list. Raises FaultError."""
    parts = text.split(",")
    bus = ",".join(part for part in parts if part.strip().startswith(PREFIX))
    rest = ",".join(part for part in parts if not part.strip().startswith(PREFIX))
    return _AllFaults(*parse_all_faults(rest), parse_rtu_faults(bus))


def _broker(text: str) -> MqttUrl:
    try:
        url = parse_url(text)
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None
    if not isinstance(url, MqttUrl):
        raise WrongUsage(f"{text!r} is not a broker. Write mqtts://HOST[:PORT][?ca=FILE].")
    return url


def _open_ports(
    args: argparse.Namespace,
    output: Output,
    broker: MqttUrl | None,
    module: VirtualModule,
    faults: _AllFaults,
    ports: contextlib.ExitStack,
) -> dict[str, str | None]:
    """Open the ports that were asked for; each is closed with `ports`."""
    urls: dict[str, str | None] = {"usb": None, "rs485": None, "wifi": None}
    try:
        if args.usb:
            board = Esp32Board(str(module.info.eui), path=args.flash, faults=faults.board)
            ports.callback(board.close)
            usb = UsbPort(module, faults.line, transport=args.usb, board=board, paced=args.paced)
            ports.callback(usb.stop)
            urls["usb"] = usb.start()
        if args.rs485:
            bus = Rs485Port(module, faults.bus, transport=args.rs485, paced=args.paced)
            ports.callback(bus.stop)
            urls["rs485"] = bus.start()
    except (OSError, ValueError) as wrong:
        raise Refused(f"The virtual module could not open its port: {str(wrong).rstrip('.')}.") from None
    if broker is not None:
        urls["wifi"] = _open_wifi(
            broker, module, faults, ports, published_firmware=args.published_firmware, stopped=output.stop.is_set
        )
    return urls


def _open_wifi(
    url: MqttUrl,
    module: VirtualModule,
    faults: _AllFaults,
    ports: contextlib.ExitStack,
    *,
    published_firmware: bool,
    stopped: Callable[[], bool],
) -> str:
    from device_io.mqtt.passwords import find_password
    from device_io.virtual_module.wifi_port import WifiPort

    try:
        password = find_password(url, ask_password)
        wifi = WifiPort(module, url, faults.line, password=password, published_firmware=published_firmware)
    except LinkError as wrong:
        raise Refused(str(wrong)) from None
    ports.callback(wifi.stop)
    text = wifi.start()
    problem = wifi.wait(stopped=stopped)
    if problem is not None and not stopped():
        raise Refused(str(problem))
    return text


def _replaying(args: argparse.Namespace, output: Output, eui: str | None) -> VirtualModule:
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
            recording = Recording(channels, record.rate_hz)
            return VirtualModule(args.preset, record.system, seed=args.seed, replay=recording, eui=eui)
    except (FileError, ReplayError) as wrong:
        raise Refused(str(wrong)) from None
