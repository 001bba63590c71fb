"""10-minute measurements of a source: of a module over its link (its waveform, else its readings), or of a COMTRADE
record."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from app.ask_password import ask_password
from app.community.anonymise import is_virtual
from app.connection import Connection
from app.declared_voltage import assumed_voltage_v
from app.live_monitor import LiveMonitor
from app.output import Refused, WrongUsage
from app.readings_means import ReadingsMeans
from app.verbs.analyze import analyze_record
from device_io.comtrade import FileError, ReadingStopped, open_comtrade
from device_io.links import open_link
from device_io.source import LinkError, LinkErrorKind, LinkPhase, LinkState, ModuleInfo
from dsp.measurement import Measurement

EVERY = ("10min",)
URL_SCHEMES = ("usb", "rs485", "mqtt", "mqtts")

_LOOK_EVERY_S = 0.1
_WAITING = 64


def is_url(source: str) -> bool:
    """True for the URL of a module, False for a file."""
    return source.partition(":")[0].lower() in URL_SCHEMES and ":" in source


def measurements_of_file(
    path: Path, stopped: Callable[[], bool], mapping: Mapping[str, str] | None = None
) -> Iterator[Measurement]:
    """Each 10 minutes of a COMTRADE record, as far as they came, or all of it where it is shorter than a window.

    mapping: {V1 V2 V3 I1 I2 I3 IN: channel name or number}, for what is not recognised. Refused for what can't be
    read or measured."""
    try:
        with open_comtrade(path, mapping, stopped=stopped) as record:
            for result in analyze_record(record, every=EVERY, nominal_voltage_v=assumed_voltage_v(record)):
                if isinstance(result, Measurement):
                    yield result
    except ReadingStopped:
        return
    except FileError as wrong:
        raise Refused(str(wrong)) from None


class LiveFeed:
    """A module that is measured for its 10-minute values only. `stopped` is asked several times a second."""

    def __init__(self, url: str, stopped: Callable[[], bool], note: Callable[[str], None]) -> None:
        """WrongUsage or Refused for a URL that can't be used."""
        try:
            link = open_link(url, prompt=ask_password)
        except LinkError as wrong:
            raise (WrongUsage if wrong.kind is LinkErrorKind.BAD_URL else Refused)(str(wrong)) from None
        self._stopped = stopped
        self._note = note
        self._queue: queue.Queue[Measurement] = queue.Queue(_WAITING)
        self._state: LinkState | None = None
        self._info: ModuleInfo | None = None
        self._monitor: LiveMonitor | None = None
        self._means: ReadingsMeans | None = None
        self._is_measuring = False
        self._connection = Connection(link, make_analyser=self._make_monitor)

    def __enter__(self) -> LiveFeed:
        self._connection.start()
        self._connection.listen(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.stop()

    def next(self, wait_s: float) -> Measurement | None:
        """The next 10 minutes, whole or not; None when there was none within wait_s, or it was stopped. Refused when
        the module can't be had."""
        end_s = time.monotonic() + wait_s
        while time.monotonic() < end_s and not self._stopped():
            try:
                return self._queue.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                self._check()
        return None

    @property
    def is_measuring(self) -> bool:
        """True once something is measured."""
        return self._is_measuring

    @property
    def is_virtual(self) -> bool:
        """True for a module that measures no grid."""
        return self._info is not None and is_virtual(self._info.eui, self._info.firmware)

    def so_far(self) -> Measurement | None:
        """Ends measuring: the interval under way, as far as it came; None where nothing was measured."""
        self._connection.stop()
        measuring = self._monitor or self._means
        results = measuring.finish() if measuring is not None else []
        found = [result for result in results if isinstance(result, Measurement) and result.window == "10min"]
        return found[-1] if found else None

    def on_identity(self, info: ModuleInfo) -> None:
        """The module is there."""
        known, self._info = self._info, info
        if known is not None and (known.type, known.system) != (info.type, info.system):  # now it tells its wiring
            self._means = None

    def on_measurement(self, measurement: Measurement) -> None:
        """Something is complete."""
        for ten in self._tens(measurement):
            try:
                self._queue.put_nowait(ten)
            except queue.Full:
                self._note("An interval was left out: the ones before it were not taken in time.")
        self._is_measuring = True

    def on_state(self, state: LinkState) -> None:
        """The link changed."""
        self._state = state

    def on_text(self, line: str) -> None:
        """The module's log is of no interest here."""

    def _tens(self, measurement: Measurement) -> list[Measurement]:
        if measurement.window == "10min":
            return [measurement]
        info = self._info
        if info is None or "waveform-stream" in info.capabilities:
            return []
        if self._means is None:
            self._means = ReadingsMeans(info)
        return self._means.add(measurement)

    def _make_monitor(self, info: ModuleInfo) -> LiveMonitor:
        self._monitor = LiveMonitor(info, every=EVERY, told_v=lambda: self._connection.told_voltage_v(info))
        return self._monitor

    def _check(self) -> None:
        state = self._state
        if state is None or state.error is None:
            return
        if state.phase is LinkPhase.FAILED or (state.phase is LinkPhase.LOST and self._info is None):
            raise Refused(str(state.error))
