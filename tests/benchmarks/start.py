"""Start: from the process's beginning to the first frame with live curves

A bare window (PySide6, numpy, pyqtgraph, one plot with three curves) against the whole application connected to a
virtual module that already runs, each a process of its own, in turn. Both end at the paint event that has curves in
it. Compiled modules are kept on disk, as after a first start.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.fakes.command_line import ROOT, Simulation, environment

RUNS = 21

BARE = """
import numpy as np
from PySide6 import QtCore, QtWidgets
import pyqtgraph as pg
class Plot(pg.PlotWidget):
    def paintEvent(self, event):
        super().paintEvent(event)
        print("painted", flush=True)
        QtCore.QTimer.singleShot(0, app.quit)
app = QtWidgets.QApplication([])
plot = Plot()
plot.resize(1440, 900)
t = np.arange(800) / 4000
for n in range(3):
    plot.plot(t, 325 * np.sin(100 * np.pi * t - n * 2.1))
plot.show()
app.exec()
"""

OURS = """
import importlib.util, sys
sys.path.insert(0, {root!r})
class Watch:
    # Patches the curve item when the application itself imports it: the order of its imports is part of what is timed.
    def find_spec(self, name, path, target=None):
        if name != "widgets.scope.curve_item":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            watch(module.CurveItem)
        spec.loader.exec_module = exec_module
        return spec
def watch(item_class):
    from PySide6 import QtCore, QtWidgets
    set_curves, paint = item_class.set_curves, item_class.paint
    live = set()
    def remember(item, curves):
        set_curves(item, curves)
        if curves:
            live.add(item)
    def painted(item, *arguments):
        paint(item, *arguments)
        if item in live:
            item_class.paint, item_class.set_curves = paint, set_curves
            print("painted", flush=True)
            QtCore.QTimer.singleShot(0, QtWidgets.QApplication.quit)
    item_class.set_curves, item_class.paint = remember, painted
sys.meta_path.insert(0, Watch())
from app.cli import main
sys.exit(main(["gui", "--connect", {url!r}, "--size", "1440x900"]))
"""


def run() -> list[dict[str, object]]:
    """Rows of the report."""
    with Simulation("--usb", "--preset", "office") as module:
        ours_script = OURS.format(root=str(ROOT), url=module.told["usb"])
        _seconds(BARE)
        _seconds(ours_script)
        pairs = [(_seconds(ours_script), _seconds(BARE)) for _ in range(RUNS)]
    ours = statistics.median(pair[0] for pair in pairs)
    bare = statistics.median(pair[1] for pair in pairs)
    ratio = statistics.median(pair[0] / pair[1] for pair in pairs)
    return [
        {
            "what": "start to the first frame with live curves",
            "ours": f"{ours * 1000:.0f} ms",
            "peer": f"{bare * 1000:.0f} ms (bare window)",
            "ratio": f"{ratio:.2f}",
            "limit": "<= 1.30",
            "holds": ratio <= 1.30,
        }
    ]


def _seconds(script: str) -> float:
    since_s = time.perf_counter()
    as_installed = {key: value for key, value in environment().items() if key != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=as_installed, cwd=ROOT)
    assert process.stdout is not None
    line = process.stdout.readline()
    took_s = time.perf_counter() - since_s
    process.stdout.close()
    process.wait(20.0)
    assert line.strip() == b"painted", line
    return took_s
