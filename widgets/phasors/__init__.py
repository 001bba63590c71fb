"""The phasor diagram: fundamental voltages and currents, their angles and the phase rotation."""

from widgets.phasors.view import PhasorView

__all__ = ["PhasorView"]
