"""read: measure with a module, a line for each interval, by default each 10/12-cycle window."""

from __future__ import annotations

import argparse
import queue
import time
from typing import Any

from app.connection import Connection
from app.event_json import event_to_json, event_to_text
from app.measurement_json import to_json, to_text
from app.measuring_options import add_measuring_options, check_nominal_voltage, measuring_options
from app.output import Output, Refused, WrongUsage
from app.specs import chip_specs
from device_io.source import LinkError, LinkErrorKind, LinkPhase, LinkState, ModuleInfo, Source
from device_io.urls import parse_url
from device_io.usb_link import UsbLink
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result

_WAITING_MEASUREMENTS = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument("url", metavar="URL", help="usb:PORT[?baud=N]: the module")
    parser.add_argument("--count", type=int, help="end after so many measurements")
    parser.add_argument("--wait", type=float, default=30.0, help="seconds to wait for a lost module (default: 30)")
    parser.add_argument("--nominal-voltage", type=float, default=230.0, help="declared voltage in V (default: 230)")
    add_measuring_options(parser)


def run(args: argparse.Namespace, output: Output) -> int:
    """Print measurements until there are enough or somebody stops it."""
    if args.count is not None and args.count < 1:
        raise WrongUsage("--count needs a whole number from 1.")
    if not args.wait >= 0:
        raise WrongUsage("--wait needs a number of seconds from 0.")
    check_nominal_voltage(args.nominal_voltage)
    options = measuring_options(args)
    try:
        link = UsbLink(parse_url(args.url))
    except LinkError as wrong:
        raise (WrongUsage if wrong.kind is LinkErrorKind.BAD_URL else Refused)(str(wrong)) from None
    reader = _Reader(output)
    connection = _Monitored(link, nominal_voltage_v=args.nominal_voltage, **options)
    connection.start()
    connection.listen(reader)
    try:
        reader.print_measurements(args.count, args.wait)
    finally:
        connection.stop()
    return 0


class _Monitored(Connection):
    """A connection that monitors: longer intervals, and events among the results. options: of dsp.monitor.Monitor."""

    def __init__(self, source: Source, **options: Any) -> None:
        super().__init__(source)
        self._options = options

    def _new_analyser(self, info: ModuleInfo) -> Monitor:  # type: ignore[override]
        return Monitor(info.system, chip_specs(info), module=info.eui, **self._options)


class _Reader:
    """Hears the connection on its threads, prints on the main one."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._queue: queue.Queue[Result] = queue.Queue(_WAITING_MEASUREMENTS)
        self._error: LinkError | None = None
        self._lost_since_s: float | None = None
        self._was_connected = False

    def on_identity(self, info: ModuleInfo) -> None:
        self._was_connected = True
        self._output.note(f"Module {info.eui}, {info.system}, firmware {info.firmware}.")

    def on_measurement(self, result: Result) -> None:
        try:
            self._queue.put_nowait(result)
        except queue.Full:  # the reader of our output is slow: the newest are left out
            self._output.note("Output is read too slowly; a result was left out.")

    def on_state(self, state: LinkState) -> None:
        if state.phase in (LinkPhase.LOST, LinkPhase.FAILED):
            if self._lost_since_s is None:
                self._lost_since_s = time.monotonic()
                if self._was_connected and state.error is not None:
                    self._output.note(f"{state.error} Waiting for it to come back.")
            self._error = state.error or self._error
        elif state.phase is LinkPhase.STREAMING:
            self._lost_since_s = None
            self._error = None

    def on_text(self, line: str) -> None:
        pass

    def print_measurements(self, count: int | None, wait_s: float) -> None:
        """Print `count` measurements (None: no end) and the events among them. Refused when the module can't be had
        or stays away."""
        printed = 0
        while (count is None or printed < count) and not self._output.stop.is_set():
            try:
                result = self._queue.get(timeout=0.1)
            except queue.Empty:
                self._check_link(wait_s)
                continue
            if isinstance(result, Measurement):
                self._output.result(to_json(result), to_text(result))
                printed += 1
            else:
                self._output.result(event_to_json(result), event_to_text(result))

    def _check_link(self, wait_s: float) -> None:
        lost_since_s, error = self._lost_since_s, self._error
        if lost_since_s is None or error is None:
            return
        if not self._was_connected or time.monotonic() - lost_since_s > wait_s:
            raise Refused(str(error))
