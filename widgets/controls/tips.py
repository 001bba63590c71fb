"""Tool tips of text that does not fit."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import QEvent
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QToolTip, QWidget


def show_full_text(widget: QWidget, event: QEvent, text: str) -> bool:
    """Answer a request for a tool tip with `text` above the widget's own tip. False where there is nothing to do."""
    if event.type() != QEvent.Type.ToolTip or not text:
        return False
    tip = widget.toolTip()
    QToolTip.showText(cast(QHelpEvent, event).globalPos(), f"{text}\n{tip}" if tip else text, widget)
    return True
