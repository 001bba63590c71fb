"""read: measure with a module, a line for each interval, by default each 10/12-cycle window."""

from __future__ import annotations

import argparse
import queue
import time
from collections.abc import Callable

from app.ask_password import ask_password
from app.connection import Connection
from app.event_json import event_to_json, event_to_text
from app.group_values import as_clocks_allow
from app.measurement_json import to_json, to_text
from app.measuring_options import add_measuring_options, check_nominal_voltage, measuring_options
from app.output import Output, Refused, WrongUsage
from app.specs import chip_specs
from device_io.discovery.module_list import place_of
from device_io.group import GroupSource
from device_io.links import open_link
from device_io.source import LinkError, LinkErrorKind, LinkPhase, LinkState, ModuleInfo, Source
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result

_WAITING_MEASUREMENTS = 256
_NO_WAVEFORM = "Over this link comes no waveform, only the module's own readings, one a window."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's options."""
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="+",
        help="usb:PORT, rs485:PORT[?baud=&parity=&unit=] or mqtts://[user@]host/TOKEN/EUI[?ca=FILE]: the module; three "
        "single-phase modules are measured as one system",
    )
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
        source, adjust = _source(args.url)
    except LinkError as wrong:
        raise (WrongUsage if wrong.kind is LinkErrorKind.BAD_URL else Refused)(str(wrong)) from None
    reader = _Reader(output, longer="10/12-cycle" not in options["every"], events=options["events"])

    def monitor(info: ModuleInfo) -> Monitor:
        return Monitor(
            info.system, chip_specs(info), module=info.eui, nominal_voltage_v=args.nominal_voltage, **options
        )

    connection = Connection(source, adjust=adjust, make_analyser=monitor)
    connection.start()
    connection.listen(reader)
    try:
        reader.print_measurements(args.count, args.wait)
    finally:
        connection.stop()
    return 0


def _source(urls: list[str]) -> tuple[Source, Callable[[Result], Result] | None]:
    """The source at these URLs, and what becomes of its results before they are printed."""
    if len(urls) == 1:
        return open_link(urls[0], prompt=ask_password), None
    group = GroupSource([open_link(url, prompt=ask_password) for url in urls])
    if len({place_of(url) for url in urls}) < len(urls):
        text = "The same module stands twice in the group. Choose three different ones."
        raise LinkError(LinkErrorKind.REFUSED, text)

    def adjust(result: Result) -> Result:
        return as_clocks_allow(result, group.uncertainty_us) if isinstance(result, Measurement) else result

    return group, adjust


class _Reader:
    """Hears the connection on its threads, prints on the main one. longer, events: intervals of more than a window, or
    events, are asked for, which needs a waveform."""

    def __init__(self, output: Output, *, longer: bool, events: bool) -> None:
        self._output = output
        self._longer, self._events = longer, events
        self._refusal: str | None = None
        self._queue: queue.Queue[Result] = queue.Queue(_WAITING_MEASUREMENTS)
        self._error: LinkError | None = None
        self._lost_since_s: float | None = None
        self._was_connected = False
        self._works_when = LinkPhase.STREAMING

    def on_identity(self, info: ModuleInfo) -> None:
        if "waveform-stream" not in info.capabilities:
            self._works_when = LinkPhase.CONNECTED  # it never streams
            if self._longer:
                self._refusal = _NO_WAVEFORM + " Leave --every out, or read the module over USB."
            elif self._events and not self._was_connected:
                self._output.note(_NO_WAVEFORM + " Events can't be seen in them.")
        self._was_connected = True
        name = "Group of three modules" if info.eui is None else f"Module {info.eui}"
        self._output.note(f"{name}, {info.system}, firmware {info.firmware}.")

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
        elif state.phase in (self._works_when, LinkPhase.STREAMING):
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
            if self._refusal is not None:  # told before the first reading came
                raise Refused(self._refusal)
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
