"""Tool tips of text that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from PySide6.QtCore import QEvent
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QToolTip, QWidget


def show_full_text(widget: QWidget, event: QEvent, hidden_text: Callable[[], str]) -> bool:
    """Answer a request for a tool tip with the text that does not fit, above the widget's own tip.

    False where the event is another, or the text is empty because all of it is seen.
    """
    if event.type() != QEvent.Type.ToolTip:
        return False
    text = hidden_text()
    if not text:
        return False
    tip = widget.toolTip()
    QToolTip.showText(cast(QHelpEvent, event).globalPos(), f"{text}\n{tip}" if tip else text, widget)
    return True
