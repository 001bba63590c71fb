"""The oscilloscope: two panes of curves, trigger, cursors, read-outs. Main class: `ScopeView`."""

from widgets.scope.scope_view import ScopeView

__all__ = ["ScopeView"]
