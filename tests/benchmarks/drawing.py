"""A full frame of the oscilloscope at 1920x1080, against plain pyqtgraph drawing the same samples

Ours, timed: `ScopeView.refresh()` (trigger search, reading all channels from a full-size `WaveformStore`, auto-scale,
reduction) and a synchronous repaint of the whole viewport. Not timed: the samples that arrive between two frames.
Peers, timed: `setData` of seven ready arrays with the same new samples and the same repaint; they search no trigger,
read no store and do not scale. All run in one process in turn, frame by frame, offscreen, with QT_NO_GUI_THREADPOOL=1
set for all of them, which makes pyqtgraph's translucent grid some 40 ms a frame cheaper than it is by itself.
History: ten minutes of seven channels; every frame moves the view by a pixel. The peer gets its lightest look there:
1 px, not antialiased, no grid.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Callable
from time import perf_counter

import numpy as np

from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, SampleBlock
from device_io.waveform_store import WaveformStore

WIDTH_PX, HEIGHT_PX = 1920, 1080
FREQUENCY_HZ = 50.0
COUNTS = 4_000_000
FRAMES = 25
CHIPS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))


def run() -> list[dict[str, object]]:
    """Rows of the report; medians."""
    application = _application()
    rows = []
    for points, rate_hz, step_s, what in (
        (800, 4000.0, 20e-3, "7 x 800 points, 10 cycles"),
        (8000, 40_000.0, 20e-3, "7 x 8000 points, 10 cycles"),
        (8000, 4000.0, 200e-3, "7 x 8000 points, 100 cycles"),
    ):
        ours, plain, fast = _live(application, points, rate_hz, step_s)
        rows.append(_row(f"{what}; peer: 1.3 px antialiased with grid", ours, plain, 0.1))
        rows.append(_row(f"{what}; peer: 1 px, not antialiased, no grid", ours, fast, 1.5))
    ours, peer = _history(application)
    rows.append(_row("10 min, 7 x 2.4 million samples; peer: downsample 'peak', clipToView", ours, peer, 0.5))
    return rows


def _row(what: str, ours_s: float, peer_s: float, limit: float) -> dict[str, object]:
    ratio = ours_s / peer_s
    return {
        "what": what,
        "ours": f"{ours_s * 1e3:.2f} ms",
        "peer": f"{peer_s * 1e3:.2f} ms",
        "ratio": f"{ratio:.2f}",
        "limit": f"<= {limit}",
        "holds": ratio <= limit,
    }


def _application():  # type: ignore[no-untyped-def]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from app.window.appearance import install_fonts, prepare_environment

    prepare_environment()
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    install_fonts()
    return application


class _Module:
    """Seven channels in three chips: harmonics, steep edges, noise of 0.4 % of the amplitude."""

    def __init__(self, rate_hz: float, seconds: float) -> None:
        self.rate_hz = rate_hz
        chips = tuple(
            ChipInfo(
                rate_hz,
                tuple(
                    ChannelInfo(
                        key, key[0] if key[0] == "V" else "A", (325.0 if key[0] == "V" else 20.0) / COUNTS, 500.0
                    )
                    for key in keys
                ),
            )
            for keys in CHIPS
        )
        self.store = WaveformStore(ModuleInfo(None, "bench", "3P+N", "0", chips), seconds)
        self._noise = np.random.default_rng(1).normal(0.0, 0.004, 1 << 16)
        self.written = 0

    def append(self, count: int) -> None:
        """The next `count` samples of each channel."""
        index = np.arange(self.written, self.written + count)
        phase = 2 * np.pi * FREQUENCY_HZ / self.rate_hz * index
        stamp_us = round(self.written / self.rate_hz * 1e6)
        blocks = []
        for chip, keys in enumerate(CHIPS):
            columns = []
            for number, key in enumerate(keys):
                angle = phase - 2 * np.pi / 3 * chip
                wave = np.sin(angle) + 0.04 * np.sin(5 * angle)
                if key.startswith("I"):
                    wave = 0.7 * np.tanh(3 * np.sin(angle - 0.4)) + 0.2 * np.sin(11 * angle)
                    wave = wave * (0.3 if key == "IN" else 1.0)
                wave = wave + self._noise[(index * 7 + 1000 * number + 300 * chip) % len(self._noise)]
                columns.append((wave * COUNTS).astype(np.int32))
            blocks.append(
                SampleBlock(chip, self.written, self.rate_hz, np.column_stack(columns), stamp_us, stamp_us * 1000)
            )
        self.store.append(blocks)
        self.written += count


def _scope(application, module: _Module, step_s: float):  # type: ignore[no-untyped-def]
    from widgets.scope import ScopeView

    scope = ScopeView()
    scope.set_compact(True)
    scope.resize(WIDTH_PX, HEIGHT_PX)
    scope.set_source(module.store)
    scope.set_nominal(230.0, FREQUENCY_HZ)
    scope.set_time_per_division(step_s)
    scope.show()
    application.processEvents()
    scope.pause()
    return scope


class _Peer:
    """Two linked plots of pyqtgraph with the same seven curves."""

    def __init__(self, application, grid: bool, width: float, antialias: bool, **options: object) -> None:  # type: ignore[no-untyped-def]
        import pyqtgraph as pg

        from widgets.theme import Theme

        theme = Theme()
        self.widget = pg.GraphicsLayoutWidget()
        self.widget.setBackground(theme.colour("plot"))
        self.plots = [self.widget.addPlot(row=row, col=0) for row in range(2)]
        self.plots[1].setXLink(self.plots[0])
        self.curves = {}
        for keys in CHIPS:
            for key in keys:
                pen = pg.mkPen(theme.phase(key), width=width)
                plot = self.plots[0 if key.startswith("V") else 1]
                self.curves[key] = plot.plot(pen=pen, antialias=antialias, **options)
        for plot, half in zip(self.plots, (400.0, 30.0), strict=True):
            plot.showGrid(x=grid, y=grid)
            plot.setYRange(-half, half, padding=0)
        self.widget.resize(WIDTH_PX, HEIGHT_PX)
        self.widget.show()
        application.processEvents()

    def frame(self, data: dict[str, tuple[np.ndarray, np.ndarray]]) -> float:
        """Seconds for new data and a repaint."""
        begun = perf_counter()
        for key, (time_s, value) in data.items():
            self.curves[key].setData(time_s, value)
        self.widget.viewport().repaint()
        return perf_counter() - begun


def _live(application, points: int, rate_hz: float, step_s: float) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    module = _Module(rate_hz, 30.0)
    module.append(round(3.5 * max(1.0, 10 * step_s) * rate_hz))
    scope = _scope(application, module, step_s)
    plain = _Peer(application, grid=True, width=1.3, antialias=True)
    fast = _Peer(application, grid=False, width=1, antialias=False)
    for peer in (plain, fast):
        peer.plots[0].setXRange(0.0, points / rate_hz, padding=0)
    times: list[list[float]] = [[], [], []]
    for frame in range(FRAMES):
        module.append(round(rate_hz / 60))
        latest_s = module.store.latest_s() or 0.0
        traces = module.store.read(latest_s - (points + 0.5) / rate_hz, latest_s + 1, 1 << 30)
        data = {trace.key: (trace.time_s - trace.time_s[0], trace.value.astype(np.float64)) for trace in traces}
        times[0].append(_timed(lambda: (scope.refresh(force=True), scope.plot.viewport().repaint())))
        if frame % 3 == 0:  # it takes seconds where the ink is dense
            times[1].append(plain.frame(data))
        times[2].append(fast.frame(data))
    for widget in (scope, plain.widget, fast.widget):
        widget.close()
    medians = [statistics.median(of_one[1:]) for of_one in times]
    return medians[0], medians[1], medians[2]


def _history(application) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    seconds = 600.0
    module = _Module(4000.0, seconds)
    while module.written < seconds * module.rate_hz:
        module.append(100_000)
    scope = _scope(application, module, 10.0)
    scope.refresh()
    scope.set_mode("stop")
    scope.zoom_time(-20.0)
    peer = _Peer(application, grid=False, width=1, antialias=False)
    for curve in peer.curves.values():
        curve.setDownsampling(auto=True, method="peak")
        curve.setClipToView(True)
    for trace in module.store.read(-1.0, seconds + 1.0, 1 << 30):
        peer.curves[trace.key].setData(trace.time_s, trace.value)
    application.processEvents()
    times: list[list[float]] = [[], []]
    for frame in range(15):
        shift_s = (frame % 5) * seconds / WIDTH_PX

        def ours(step: float = 0.01 if frame % 2 else -0.01) -> None:
            scope.pan_time(step)
            scope.refresh(force=True)
            scope.plot.viewport().repaint()

        def theirs(shift_s: float = shift_s) -> None:
            peer.plots[0].setXRange(shift_s, seconds + shift_s, padding=0)
            peer.widget.viewport().repaint()

        times[0].append(_timed(ours))
        times[1].append(_timed(theirs))
    scope.close()
    peer.widget.close()
    return statistics.median(times[0][3:]), statistics.median(times[1][3:])


def _timed(work: Callable[[], object]) -> float:
    begun = perf_counter()
    work()
    taken = perf_counter() - begun
    assert math.isfinite(taken)
    return taken
