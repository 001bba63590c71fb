"""The modules page: list, search, settings, doctor, groups."""

from widgets.modules.modules_panel import ModulesPanel

__all__ = ["ModulesPanel"]
