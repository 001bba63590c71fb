"""gui: the window. Also draws a page to a picture where there is no screen."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.output import Output, Refused, WrongUsage
from app.window.appearance import prepare_environment

if TYPE_CHECKING:
    from app.connection import Connection
    from app.demo import DemoModule
    from app.window.module_session import ModuleSession

PAGES = ("live", "modules", "firmware", "map")
DEMO_PRESET = "office"
"""What `--demo` shows when no preset is named: a load with something to see."""
_DEFAULT_SIZE = (1440, 900)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--demo",
        nargs="?",
        const=DEMO_PRESET,
        metavar="PRESET",
        help=f"attach a virtual module (preset: {DEMO_PRESET})",
    )
    source.add_argument("--connect", metavar="URL", help="connect to this module, for example usb:/dev/ttyUSB0")
    parser.add_argument("--page", choices=PAGES, default=PAGES[0], help="page to open")
    parser.add_argument("--theme", choices=("light", "dark"), help="default: that of the system")
    parser.add_argument("--size", type=_size, metavar="WxH", help="size of the window, for example 1280x720")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="draw to a PNG file and end; needs no display")
    parser.add_argument("--after", type=float, metavar="S", default=6.0, help="seconds until the picture is taken")


def run(args: argparse.Namespace, output: Output) -> int:
    """Open the window until it is closed, or draw it to a file."""
    _check(args)
    demo = _start_demo(args.demo) if args.demo is not None else None
    connection = _connect(args.connect) if args.connect is not None else None
    try:
        return _run(args, output, demo, connection)
    finally:
        if connection is not None:
            connection.stop()
        if demo is not None:
            demo.stop()


def _start_demo(preset: str) -> DemoModule:
    from app.demo import DemoModule

    return DemoModule(preset)


def _connect(url: str) -> Connection:
    """The greeting of the module runs while Qt is loaded."""
    from app.connection import HISTORY_S, open_connection
    from device_io.source import LinkError

    try:
        return open_connection(url, store_seconds=HISTORY_S)
    except LinkError as wrong:
        raise WrongUsage(str(wrong)) from None


def _check(args: argparse.Namespace) -> None:
    if args.demo is not None:
        from device_io.virtual_module.presets import preset_names

        if args.demo not in preset_names():
            raise WrongUsage(f'There is no preset "{args.demo}". Use one of: {", ".join(preset_names())}.')
    if args.screenshot is None:
        if not _has_display():
            raise Refused(
                "There is no display here. To see the window as a picture: "
                'make demo ARGS="--screenshot live.png" (or main.py gui --screenshot live.png).'
            )
        return
    if not args.after > 0:
        raise WrongUsage("--after needs a number of seconds above 0.")
    if not args.screenshot.resolve().parent.is_dir():
        raise Refused(f"The folder {args.screenshot.resolve().parent} does not exist; make it or name another.")
    os.environ["QT_QPA_PLATFORM"] = "offscreen"


def _has_display() -> bool:
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _run(args: argparse.Namespace, output: Output, demo: DemoModule | None, connection: Connection | None) -> int:
    prepare_environment()
    from app.window.desktop import Desktop

    def begin(session: ModuleSession) -> None:
        if demo is not None:
            session.follow(demo)
        elif connection is not None:
            session.adopt(connection)

    desktop = Desktop(
        theme=args.theme or ("dark" if args.screenshot else None),
        size=args.size or (_DEFAULT_SIZE if args.screenshot else None),
        page=args.page,
        stop=output.stop,
        remember=args.screenshot is None,
    )
    if args.screenshot is None:
        return desktop.run(begin)
    failure = desktop.draw_to_file(begin, args.screenshot, args.after)
    if failure is not None:
        raise Refused(failure)
    output.result({"screenshot": str(args.screenshot)}, f"Saved {args.screenshot}.")
    return 0


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{3,5})x(\d{3,5})", text)
    if match is None:
        raise argparse.ArgumentTypeError(f'"{text}" is no size; write width x height, for example 1280x720')
    return int(match[1]), int(match[2])
