"""Frequency response of a front end, from its sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Section(Protocol):
    """One section of a frequency response, with x = f / corner_hz.

    kind "highpass1": jx / (1 + jx); "lowpass1": 1 / (1 + jx); "lowpass2": 1 / (1 - x^2 + jx / q);
    "delay": exp(-j 2 pi f delay_us 1e-6).
    """

    @property
    def kind(self) -> str: ...
    @property
    def corner_hz(self) -> float: ...
    @property
    def q(self) -> float: ...
    @property
    def delay_us(self) -> float: ...


def transfer(sections: Sequence[Section], frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Product of the sections at each frequency (any shape, Hz): output over input, complex.

    No sections: 1. Raises ValueError for an unknown kind, or a corner or q that is not above zero.
    """
    frequency_hz = np.asarray(frequency_hz, dtype=np.float64)
    numerator = np.ones(frequency_hz.shape, dtype=np.complex128)
    denominator = np.ones(frequency_hz.shape, dtype=np.complex128)
    delay_us = 0.0
    for section in sections:
        if section.kind == "delay":
            delay_us += section.delay_us
            continue
        if not section.corner_hz > 0.0:
            raise ValueError(f"A response section of kind {section.kind!r} needs a corner above 0 Hz.")
        jx = 1j * (frequency_hz / section.corner_hz)
        if section.kind == "highpass1":
            numerator *= jx
            denominator *= 1.0 + jx
        elif section.kind == "lowpass1":
            denominator *= 1.0 + jx
        elif section.kind == "lowpass2":
            if not section.q > 0.0:
                raise ValueError("A response section of kind 'lowpass2' needs a q above 0.")
            denominator *= 1.0 + jx * jx + jx / section.q
        else:
            raise ValueError(f"Unknown kind of response section: {section.kind!r}.")
    response = numerator / denominator
    if delay_us:
        response *= np.exp(-2j * np.pi * 1e-6 * delay_us * frequency_hz)
    return response
