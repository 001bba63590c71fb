"""Frames of the community map while it is dragged: 100 000 cells, 1440x900

Timed: moving the map by a few pixels and a synchronous repaint of it, offscreen, once for each step of a drag that
comes into new country all the time. It is CPU time of the drawing thread, which does all of the work, so that other
programs do not count. The limit of 33 ms (30 frames a second) is for 95 of 100 frames.
"""

from __future__ import annotations

import os
import statistics
from time import thread_time

import numpy as np

CELLS = 100_000
WIDTH_PX, HEIGHT_PX = 1440, 900
FRAMES = 60
STEP_PX = (-23, 9)
LIMIT_MS = 33.0
SCALES = (
    # px a world, what is seen
    (1440.0, "the world"),
    (6000.0, "a continent"),
    (28_000.0, "a country"),
    (120_000.0, "a county"),
)


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    application = _application()
    from widgets.map.canvas import MapCanvas
    from widgets.map.cells import CellGrid
    from widgets.map.projection import Window, x_of, y_of

    canvas = MapCanvas()
    canvas.resize(WIDTH_PX, HEIGHT_PX)
    cells = _cells()
    begin = thread_time()
    canvas.set_cells(CellGrid(*cells))
    load_ms = (thread_time() - begin) * 1e3
    canvas.set_own("u82f")
    canvas.show()
    application.processEvents()
    rows = [_row(f"taking {CELLS} cells", [load_ms], 200.0)]
    for scale, what in SCALES:
        window = Window(float(x_of(25.0)), float(y_of(46.0)), scale, WIDTH_PX, HEIGHT_PX).fitted()
        canvas._show(window)
        canvas.repaint()
        times = []
        for _ in range(FRAMES):
            begin = thread_time()
            canvas._show(canvas.window_seen.moved(*STEP_PX))
            canvas.repaint()
            times.append((thread_time() - begin) * 1e3)
        rows.append(_row(f"dragging {what}, {scale:.0f} px a world", times, LIMIT_MS))
        canvas.zoom(1.3)
        begin = thread_time()
        canvas.repaint()
        zoom_ms = (thread_time() - begin) * 1e3
        rows.append(_row(f"first frame after a zoom into {what}", [zoom_ms], 250.0))
    canvas.close()
    return rows


def _row(what: str, times_ms: list[float], limit_ms: float) -> dict[str, object]:
    most = float(np.percentile(times_ms, 95))
    ours = f"{statistics.median(times_ms):.1f} ms"
    if len(times_ms) > 1:
        ours += f", 95 % under {most:.1f} ms, slowest {max(times_ms):.1f} ms"
    limit = f"<= {limit_ms:.0f} ms"
    return {"what": what, "ours": ours, "peer": "", "ratio": "", "limit": limit, "holds": most <= limit_ms}


def _cells() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Cells of four characters at random places between 60 S and 70 N."""
    from resources.geohash import encode

    random = np.random.default_rng(1)
    row, column = np.divmod(random.choice(740 * 1024, CELLS, replace=False), 1024)
    south, west = (row + 171) * 180.0 / 1024 - 90.0, column * 360.0 / 1024 - 180.0
    height, width = 180.0 / 1024, 360.0 / 1024
    names = [encode(y + height / 2, x + width / 2) for y, x in zip(south.tolist(), west.tolist(), strict=True)]
    return south, south + height, west, west + width, random.integers(1, 5, CELLS), names


def _application():  # type: ignore[no-untyped-def]
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from app.window.appearance import install_fonts, prepare_environment

    prepare_environment()
    from PySide6.QtWidgets import QApplication

    application = QApplication.instance() or QApplication([])
    install_fonts()
    return application
