"""Keys and context menu of the oscilloscope: everything the pointer can do, the keyboard can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QMenu

from widgets.scope.acquisition import RunMode
from widgets.scope.header import themed_menu
from widgets.theme import Theme

if TYPE_CHECKING:
    from widgets.scope.scope_view import ScopeView

FAST = 10
"""Pixels a cursor moves at once with Shift."""


def handle_key(scope: ScopeView, event: QKeyEvent) -> bool:
    """Do what a key stands for; False where it stands for nothing.

    Left, right: move the cursor (Shift: faster, Ctrl: move the view instead). A, B: choose the cursor, and fetch it
    where it is out of sight. Up, down: volts or amperes a division of the trigger's pane (Shift: trigger level).
    Plus, minus: time a division. Space: run or stop. S: single. Home: reset the view. Ctrl+C: copy as image.
    """
    key, held = Qt.Key(event.key()), event.modifiers()
    shift = bool(held & Qt.KeyboardModifier.ShiftModifier)
    control = bool(held & Qt.KeyboardModifier.ControlModifier)
    if event.matches(QKeySequence.StandardKey.Copy):
        scope.copy_image()
    elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
        direction = 1 if key == Qt.Key.Key_Right else -1
        if control:
            scope.pan_time(direction * 0.5)
        else:
            scope.step_cursor(direction * (FAST if shift else 1))
    elif key in (Qt.Key.Key_Up, Qt.Key.Key_Down):
        direction = 1 if key == Qt.Key.Key_Up else -1
        if shift:
            scope.step_level(direction)
        else:
            scope.zoom_value(scope.trigger_unit, direction)
    elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
        scope.zoom_time(-1 if key == Qt.Key.Key_Minus else 1)
    elif key in (Qt.Key.Key_A, Qt.Key.Key_B) and not control:
        scope.fetch_cursor("A" if key == Qt.Key.Key_A else "B")
    elif key == Qt.Key.Key_Space:
        scope.set_mode(RunMode.STOP if scope.mode is RunMode.RUN else RunMode.RUN)
    elif key == Qt.Key.Key_S and not control:
        scope.set_mode(RunMode.SINGLE)
    elif key == Qt.Key.Key_Home:
        scope.reset_view()
    else:
        return False
    return True


def context_menu(scope: ScopeView, theme: Theme) -> QMenu:
    """Copy, save, reset, cursors. Without a picture there is nothing to copy or save."""
    menu = themed_menu(scope, theme)
    copy = menu.addAction("Copy as image\tCtrl+C", scope.copy_image)
    image = menu.addAction("Save image …", lambda: scope.save_requested.emit("image"))
    table = menu.addAction("Save as CSV …", lambda: scope.save_requested.emit("csv"))
    for action in (copy, image, table):
        action.setEnabled(scope.has_picture)
    menu.addSeparator()
    menu.addAction("Reset view\tHome", scope.reset_view)
    cursors = menu.addAction("Cursors A and B")
    cursors.setCheckable(True)
    cursors.setChecked(scope.cursors_shown)
    cursors.toggled.connect(scope.show_cursors)
    return menu
