"""The harmonic spectrum: orders 1..40 of every phase, with limits and what is not measurable."""

from widgets.spectrum.view import SpectrumView

__all__ = ["SpectrumView"]
