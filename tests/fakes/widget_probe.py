"""Looking at widgets from outside: focus, tool tips, pixels."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtGui import QHelpEvent, QImage
from PySide6.QtWidgets import QApplication, QToolTip, QWidget


def shown(qtbot, widget: QWidget, width: int = 0, height: int = 0) -> QWidget:
    """Show a widget as the active window."""
    qtbot.addWidget(widget)
    if width:
        widget.resize(width, height or widget.sizeHint().height())
    with qtbot.waitExposed(widget):
        widget.show()
    widget.activateWindow()
    qtbot.waitUntil(widget.isActiveWindow, timeout=20_000)
    return widget


def tip_at(widget: QWidget, x: int | None = None) -> str:
    """The tool tip that appears over a widget, "" for none."""
    for tip in QApplication.topLevelWidgets():
        if tip.inherits("QTipLabel"):
            tip.hide()  # QToolTip.hideText() takes its time
    position = QPoint(widget.width() // 2 if x is None else x, widget.height() // 2)
    event = QHelpEvent(QHelpEvent.Type.ToolTip, position, widget.mapToGlobal(position))
    QApplication.sendEvent(widget, event)
    return QToolTip.text() if QToolTip.isVisible() else ""


def picture(widget: QWidget) -> QImage:
    """What the widget draws."""
    return widget.grab().toImage()


def colours_in(image: QImage) -> set[str]:
    """Every colour of an image, as "#rrggbb"."""
    return {image.pixelColor(x, y).name() for y in range(image.height()) for x in range(image.width())}
