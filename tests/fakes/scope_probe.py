"""Looking at the oscilloscope's pixels, and using it as a mouse does."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication


def pixels(scope):
    """Picture of the plot as [height, width, 3]."""
    image = scope.plot.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    data = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return data[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(int)


def ink(scope, channel, unit="V"):
    """Number of pixels of a channel's colour inside a pane."""
    colour = scope._theme.phase(channel)
    pane = scope.plot.panes[unit].scene_rect().toRect()
    part = pixels(scope)[pane.top() : pane.bottom(), pane.left() : pane.right()]
    return int(np.sum(np.abs(part - [colour.red(), colour.green(), colour.blue()]).sum(axis=2) < 40))


def drag(scope, start, stop):
    """Press, move in steps, release: as a mouse does."""
    viewport = scope.plot.viewport()
    move = QPoint(round(stop.x()), round(stop.y()))
    begin = QPoint(round(start.x()), round(start.y()))
    send(viewport, "press", begin)
    for part in (0.3, 0.6, 1.0):
        send(viewport, "move", begin + QPoint(*(round(part * v) for v in (move - begin).toTuple())))
    send(viewport, "release", move)


def send(viewport, kind, place):
    types = {
        "press": QEvent.Type.MouseButtonPress,
        "move": QEvent.Type.MouseMove,
        "release": QEvent.Type.MouseButtonRelease,
    }
    button = Qt.MouseButton.NoButton if kind == "move" else Qt.MouseButton.LeftButton
    held = Qt.MouseButton.NoButton if kind == "release" else Qt.MouseButton.LeftButton
    where = QPointF(place)
    event = QMouseEvent(types[kind], where, viewport.mapToGlobal(where), button, held, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(viewport, event)


def wheel(scope, place, notches, modifiers=Qt.KeyboardModifier.NoModifier):
    viewport = scope.plot.viewport()
    event = QWheelEvent(
        QPointF(place), viewport.mapToGlobal(QPointF(place)), QPoint(), QPoint(0, 120 * notches),
        Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)
