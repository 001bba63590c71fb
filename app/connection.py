"""One module at work: its source, its ring buffer and its analyser thread. No Qt.

The source delivers on its own thread; samples go straight into the ring buffer and into a bounded queue, from which the
analyser thread measures. When the analyser can't keep up the oldest batches are dropped: it sees a gap, never a wrong
value.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Protocol

from device_io.links import Prompt, open_link
from device_io.source import LinkError, LinkState, ModuleInfo, Readings, SampleBlock, Source
from device_io.waveform_store import WaveformStore

if TYPE_CHECKING:  # imported by the analyser thread: samples can be shown before they are measured
    from numpy.typing import NDArray

    from dsp.measurement import Measurement

log = logging.getLogger(__name__)

QUEUE_BATCHES = 512
"""Batches that may wait for the analyser: some ten seconds of a stream."""
HEAD_START_S = 0.1
"""What a listener's first picture is ahead of the first figures: a window needs 0.2 s of samples anyway."""
SETTINGS_S = 0.5
"""Longest wait for a module's settings before it is measured without them."""
HISTORY_S = 600.0
"""Seconds of waveform that the window keeps: 67 MB for seven channels."""


class Listener(Protocol):
    """Hears of results and states, on the threads of the connection: return quickly."""

    def on_identity(self, info: ModuleInfo) -> None:
        """The module told who it is."""

    def on_measurement(self, measurement: Measurement) -> None:
        """A window is complete."""

    def on_state(self, state: LinkState) -> None:
        """The link's state or counters changed."""

    def on_text(self, line: str) -> None:
        """The module printed a line of log text."""


class Analyser(Protocol):
    """Measures what the blocks of one module hold; used by one thread. A LiveMonitor, or a Monitor of dsp."""

    def push(self, chip: int, first_index: int, samples: NDArray[Any], device_time_us: float, utc_ns: int, /) -> None:
        """Take the next block of one chip, in V and A: samples [n, channels]. utc_ns: of its first sample."""

    def pull(self) -> Sequence[Any]:
        """The results that are complete, in order of their end: each is what the listener takes."""

    def restart(self) -> None:
        """The module restarted: its indices and its clock begin anew."""


class Connection:
    """Joins a source with a ring buffer (none with store_seconds 0) and an analyser.

    It may begin before there is anybody to listen: `listen` tells what was missed, and measuring begins then. adjust:
    what becomes of each result before it is told. make_analyser: what measures, where it is not a LiveMonitor of the
    10/12-cycle windows.
    """

    def __init__(
        self,
        source: Source,
        *,
        store_seconds: float = 0.0,
        adjust: Callable[[Any], Any] | None = None,
        make_analyser: Callable[[ModuleInfo], Analyser] | None = None,
    ) -> None:
        self._source = source
        self._adjust = adjust
        self._make_analyser = make_analyser
        self._listener: Listener | None = None
        self._store_seconds = store_seconds
        self._store: WaveformStore | None = None
        self._lock = threading.Lock()  # of listener, identity and state: what a late listener is told
        self._info: ModuleInfo | None = None
        self._state: LinkState | None = None
        self._last_block_s = 0.0
        self._queue: queue.Queue[ModuleInfo | list[SampleBlock] | None] = queue.Queue(QUEUE_BATCHES)
        self._batches_dropped = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._analyse, name="analyser", daemon=True)

    @property
    def store(self) -> WaveformStore | None:
        """The ring buffer of the present module; None before its identity is known."""
        return self._store

    @property
    def source(self) -> Source:
        """What delivers."""
        return self._source

    @property
    def batches_dropped(self) -> int:
        """Batches of blocks that the analyser did not get to."""
        return self._batches_dropped

    def start(self) -> None:
        """Open the source. Returns at once."""
        self._source.start(self)

    def told_voltage_v(self, info: ModuleInfo) -> float | None:
        """The declared voltage in the module's settings; None where it does not tell within half a second."""
        read = getattr(self._source, "read_settings", None)
        if read is None or "settings" not in info.capabilities:
            return None
        try:
            told = read().result(SETTINGS_S).get("nominal_voltage_v")
        except (LinkError, TimeoutError, CancelledError):
            return None
        return float(told) if isinstance(told, int | float) else None

    def listen(self, listener: Listener) -> None:
        """Begin to measure and to tell this listener, first the identity and state there are. Once only."""
        with self._lock:
            self._listener = listener
            info, state = self._info, self._state
        if info is not None:
            listener.on_identity(info)
        if state is not None:
            listener.on_state(state)
        self._thread.start()

    def stop(self) -> None:
        """End within 3 s; nothing is told to the listener afterwards."""
        self._ending.set()
        self._source.stop()
        self._post(None)
        if self._thread.is_alive():
            self._thread.join(2.0)

    # What the source tells, on its thread.

    def on_identity(self, info: ModuleInfo) -> None:
        """Keep or renew the ring buffer, then tell the listener."""
        known = self._info
        if not info.chips:
            self._store = None
        elif self._store_seconds > 0 and (known is None or self._store is None or not _same_module(known, info)):
            self._store = WaveformStore(info, self._store_seconds)
        elif self._store is not None and known is not None and known.boot_id != info.boot_id:
            self._store.restart(info, max(0.0, time.monotonic() - self._last_block_s))
        with self._lock:
            self._info = info
            listener = self._listener
        if _streams(info):
            self._post(info)
        if listener is not None:
            listener.on_identity(info)

    def on_blocks(self, blocks: list[SampleBlock]) -> None:
        """Into the ring buffer and on to the analyser."""
        self._last_block_s = time.monotonic()
        if self._store is not None:
            self._store.append(blocks)
        if self._info is not None and _streams(self._info):
            self._post(blocks)

    def on_readings(self, readings: Readings) -> None:
        """The module's own readings serve where its waveform does not come."""
        with self._lock:
            info, listener = self._info, self._listener
        if info is None or listener is None or _streams(info) or self._ending.is_set():
            return
        from app.readings_measurement import measurement_of

        listener.on_measurement(measurement_of(readings, info))

    def on_state(self, state: LinkState) -> None:
        """Pass the state on."""
        with self._lock:
            self._state = state
            listener = self._listener
        if listener is not None and not self._ending.is_set():
            listener.on_state(state)

    def on_text(self, line: str) -> None:
        """Pass a line of log text on."""
        listener = self._listener
        if listener is not None and not self._ending.is_set():
            listener.on_text(line)

    # The analyser thread.

    def _post(self, item: ModuleInfo | list[SampleBlock] | None) -> None:
        while True:
            try:
                self._queue.put_nowait(item)
                return
            except queue.Full:
                try:
                    oldest = self._queue.get_nowait()
                except queue.Empty:
                    continue
                if isinstance(oldest, list):
                    self._batches_dropped += 1

    def _analyse(self) -> None:
        analyser: Analyser | None = None
        info: ModuleInfo | None = None
        self._ending.wait(HEAD_START_S)
        while not self._ending.is_set():
            try:
                item = self._queue.get(timeout=0.5)
            except queue.Empty:
                continue
            if item is None:
                return
            try:
                if isinstance(item, ModuleInfo):
                    analyser, info = self._analyser_for(item, analyser, info), item
                    continue
                if analyser is None or info is None:
                    continue
                push_blocks(analyser, info, item)
                measurements = analyser.pull()
            except Exception:
                log.exception("The analyser failed and starts anew")
                analyser = None if info is None else self._new_analyser(info)
                continue
            for measurement in measurements:
                if self._listener is not None and not self._ending.is_set():
                    self._listener.on_measurement(self._adjust(measurement) if self._adjust else measurement)

    def _analyser_for(self, info: ModuleInfo, analyser: Analyser | None, known: ModuleInfo | None) -> Analyser:
        if analyser is None or known is None or not _same_module(known, info):
            return self._new_analyser(info)
        if known.boot_id != info.boot_id:
            analyser.restart()
        return analyser

    def _new_analyser(self, info: ModuleInfo) -> Analyser:
        if self._make_analyser is not None:
            return self._make_analyser(info)
        from app.live_monitor import LiveMonitor

        return LiveMonitor(info, told_v=lambda: self.told_voltage_v(info))


def open_connection(url: str, *, store_seconds: float = 0.0, prompt: Prompt | None = None) -> Connection:
    """A connection to the module at this URL, begun; over a bus, snapshots of the waveform fill the store. prompt: asks
    for a broker's password.

    :raises LinkError: for a URL that can't be used.
    """
    link = open_link(url, snapshots=store_seconds > 0, prompt=prompt)
    connection = Connection(link, store_seconds=store_seconds)
    connection.start()
    return connection


def open_group(urls: Sequence[str], *, store_seconds: float = 0.0, prompt: Prompt | None = None) -> Connection:
    """A connection to single-phase modules as one three-phase source, begun. LinkError where that can't be."""
    from app.group_values import as_clocks_allow
    from device_io.group import GroupSource

    group = GroupSource([open_link(url, prompt=prompt) for url in urls])
    connection = Connection(
        group,
        store_seconds=store_seconds,
        adjust=lambda measurement: as_clocks_allow(measurement, group.uncertainty_us),
    )
    connection.start()
    return connection


def push_blocks(analyser: Analyser, info: ModuleInfo, blocks: list[SampleBlock]) -> None:
    """Calibrate blocks of counts to volts and amperes and hand them to the analyser."""
    scales = [channel_scales(info, chip) for chip in range(len(info.chips))]
    for block in blocks:
        analyser.push(
            block.chip,
            block.first_index,
            block.counts * scales[block.chip],
            block.device_time_us,
            block.host_time_ns - round(len(block.counts) / block.rate_hz * 1e9),
        )


def channel_scales(info: ModuleInfo, chip: int) -> list[float]:
    """Volts or amperes per count of a chip's channels."""
    return [channel.unit_per_count for channel in info.chips[chip].channels]


def _streams(info: ModuleInfo) -> bool:
    """Whether waveforms come without end: else the module's own readings are the measurement."""
    return "waveform-stream" in info.capabilities


def _same_module(one: ModuleInfo, other: ModuleInfo) -> bool:
    return (one.eui, one.system, one.chips) == (other.eui, other.system, other.chips)
