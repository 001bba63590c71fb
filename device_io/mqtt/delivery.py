"""The sink's side of a WiFi link: what was delivered, counted and told of its state."""

from __future__ import annotations

import threading
import time

from device_io.sensix_link.samples import SampleDecoder
from device_io.source import LinkCounters, LinkError, LinkPhase, LinkState, ModuleInfo, Readings, Sink

_STATE_EVERY_S = 0.5


class Delivery:
    """Delivers to a sink until `end`; nothing is delivered once that has returned. phase, error: what was told last."""

    def __init__(self, url: str, sink: Sink) -> None:
        self.phase = LinkPhase.OPENING
        self.error: LinkError | None = None
        self.bytes_received = self.frames_good = self.frames_damaged = self.reconnects = self.text_bytes = 0
        self._url = url
        self._sink = sink
        self._lock = threading.RLock()
        self._over = False
        self._life: tuple[object, ...] | None = None
        self._decoder: SampleDecoder | None = None
        self._past = LinkCounters()
        self._told: LinkState | None = None
        self._told_s = 0.0

    def end(self, phase: LinkPhase = LinkPhase.CLOSED, error: LinkError | None = None) -> None:
        """Tell the last state, unless one was told; then nothing any more."""
        with self._lock:
            if not self._over:
                self.tell(phase, error)
                self._over = True

    def identity(self, info: ModuleInfo) -> None:
        """The module told who it is. One that did not restart goes on in its sample index."""
        life = (info.eui, info.boot_id, tuple((chip.nominal_rate_hz, len(chip.channels)) for chip in info.chips))
        if life != self._life:
            self._past, self._decoder, self._life = self._samples_counters(), None, life
        if self._decoder is None and info.chips:
            self._decoder = SampleDecoder(
                {n: chip.nominal_rate_hz for n, chip in enumerate(info.chips)},
                {n: len(chip.channels) for n, chip in enumerate(info.chips)},
            )
        with self._lock:
            if not self._over:
                self._sink.on_identity(info)

    def samples(self, payload: bytes, host_time_ns: int) -> bool:
        """A SAMPLES payload; whether it was sound and new."""
        blocks = self._decoder.decode([payload], host_time_ns) if self._decoder is not None else []
        with self._lock:
            if blocks and not self._over:
                self._sink.on_blocks(blocks)
        return bool(blocks)

    def readings(self, readings: Readings) -> None:
        """The module's readings."""
        with self._lock:
            if not self._over:
                self._sink.on_readings(readings)

    def text(self, line: str) -> None:
        """A line for the log of the module."""
        self.text_bytes += len(line)
        with self._lock:
            if not self._over:
                self._sink.on_text(line)

    def tell(self, phase: LinkPhase, error: LinkError | None = None) -> None:
        """Tell where the link stands, if that is new."""
        self.phase, self.error = phase, error
        state = LinkState(phase, self._url, error, None, self._counters())
        with self._lock:
            if self._over or (self._told is not None and _same(state, self._told)):
                return
            self._told, self._told_s = state, time.monotonic()
            self._sink.on_state(state)

    def tick(self) -> None:
        """Tell the counters, at most twice a second."""
        if time.monotonic() - self._told_s >= _STATE_EVERY_S:
            self.tell(self.phase, self.error)

    def _counters(self) -> LinkCounters:
        samples = self._samples_counters()
        return samples._replace(
            bytes_received=self.bytes_received,
            frames_good=self.frames_good,
            frames_damaged=self.frames_damaged + samples.frames_damaged,
            text_bytes=self.text_bytes,
            reconnects=self.reconnects,
        )

    def _samples_counters(self) -> LinkCounters:
        past, decoder = self._past, self._decoder
        if decoder is None:
            return past
        return past._replace(
            frames_damaged=past.frames_damaged + decoder.blocks_bad,
            blocks=past.blocks + decoder.blocks,
            blocks_repeated=past.blocks_repeated + decoder.blocks_repeated,
            blocks_left_out=past.blocks_left_out + decoder.left_out,
            samples_missing=past.samples_missing + decoder.samples_missing,
        )


def _same(a: LinkState, b: LinkState) -> bool:
    """Errors count as the same when they say the same."""
    return a._replace(error=None) == b._replace(error=None) and str(a.error) == str(b.error)
