"""The meter panel: four large numbers and a table of every phase."""

from widgets.meters.panel import MeterPanel

__all__ = ["MeterPanel"]
