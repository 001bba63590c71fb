"""Spectrum of a window, and what IEC 61000-4-7 makes of it: harmonic subgroups, THD; the band rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.measurement import ORDERS, Band
from dsp.resample import gain
from dsp.response import Section, transfer
from dsp.waveform import Waveform

TRUSTED = 0.40
INDICATIVE = 0.495
"""Band rule, as parts of the sample rate."""
BAND_TOLERANCE = 5e-4
"""So that an order on the limit (33 x 60 Hz at 4 ksps) does not come and go with the clock's error."""

SMALLEST_RESPONSE = 1e-3
"""Where a front end passes less, nothing is measured (direct current behind a high-pass)."""

STEADY = 3e-4
"""Change of frequency up to which a response is linear: its second-order rest is below 1e-5 of the line itself."""

PROMINENCE = 10.0
"""A fundamental holds at least this many times the mean power of the lines about it; noise does not."""


@dataclass(frozen=True)
class Spectrum:
    """Lines of all channels at the terminals.

    lines: complex rms [channels, lines], line k at k / duration_s; index 0 is direct current; an angle of 0 is a
    cosine at the window's start. Lines that are not measured are 0 and False in `measured` [channels, lines].
    cycles: of the fundamental in the window; 0 without one. in_band: number of lines up to 0.495 of the sample rate;
    one more follows for the subgroup of the last order.
    """

    lines: NDArray[np.complex128]
    measured: NDArray[np.bool_]
    duration_s: float
    cycles: int
    in_band: int
    band: Band


class FrontEnd:
    """Responses of all channels: those that are the same are worked out once. kind [channels]: which of them."""

    def __init__(self, channels: Sequence[ChannelSpec]) -> None:
        self._responses: list[tuple[Section, ...]] = []
        kind = []
        for channel in channels:
            response = tuple(channel.response)
            if response not in self._responses:
                self._responses.append(response)
            kind.append(self._responses.index(response))
        self.kind = np.array(kind, dtype=np.intp)
        self._step_hz = 0.0
        self._inverse = self._slope = np.zeros((0, 0), dtype=np.complex128)

    def at(self, step_hz: float, count: int) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """Inverse of each kind of response at k step_hz, k = 0..count - 1, 0 where it passes nothing, and whether it
        passes: [kinds, count].

        From window to window the frequency hardly moves: the inverse is worked out with its slope, and carried on
        along it until the frequency has changed by STEADY.
        """
        if abs(step_hz - self._step_hz) > STEADY * step_hz or count > self._inverse.shape[1]:
            self._step_hz = step_hz
            lines_hz: NDArray[np.float64] = np.arange(count + 2, dtype=np.float64) * step_hz
            below, above = self._invert(lines_hz * (1.0 - STEADY)), self._invert(lines_hz * (1.0 + STEADY))
            self._inverse = self._invert(lines_hz)
            smooth = (below != 0.0) & (above != 0.0) & (self._inverse != 0.0)
            self._slope = np.where(smooth, (above - below) / (2.0 * STEADY), 0.0)
        inverse = self._inverse[:, :count] + (step_hz / self._step_hz - 1.0) * self._slope[:, :count]
        return inverse, self._inverse[:, :count] != 0.0

    def _invert(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        response = np.stack([transfer(sections, frequency_hz) for sections in self._responses])
        passed = np.abs(response) >= SMALLEST_RESPONSE
        return np.where(passed, 1.0 / np.where(passed, response, 1.0), 0.0)


def band_of(rate_hz: float, fundamental_hz: float) -> Band:
    """The orders that the sample rate allows, at most ORDERS."""
    trusted = int(TRUSTED * rate_hz * (1.0 + BAND_TOLERANCE) / fundamental_hz)
    indicative = int(INDICATIVE * rate_hz * (1.0 + BAND_TOLERANCE) / fundamental_hz)
    last = min(ORDERS, indicative)
    return Band(min(ORDERS, trusted), last, last if last > 1 else 0)


def spectrum_of(waveform: Waveform, front_end: FrontEnd, duration_s: float, cycles: int) -> Spectrum:
    """Transform a window, and divide by the gain of the resampler and by each channel's response."""
    points = waveform.samples.shape[1]
    rate = float(waveform.rates_hz.min())
    band = band_of(rate, cycles / duration_s) if cycles else Band(0, 0, 0)
    in_band = min(int(INDICATIVE * rate * (1.0 + BAND_TOLERANCE) * duration_s) + 1, points // 2)
    lines = np.fft.rfft(waveform.samples, axis=1)[:, : in_band + 1]
    lines *= np.sqrt(2.0) / points
    lines[:, 0] *= np.sqrt(0.5)
    through, measured = front_end.at(1.0 / duration_s, in_band + 1)
    frequency = np.arange(in_band + 1) / duration_s
    gains = {rate: gain(frequency / rate) for rate in set(waveform.rates_hz.tolist())}
    for row, rate in enumerate(waveform.rates_hz.tolist()):
        lines[row] *= through[front_end.kind[row]] / gains[rate]
    return Spectrum(lines, measured[front_end.kind], duration_s, cycles, in_band, band)


def rms_of(lines: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Rms [channels] by Parseval's theorem from complex rms lines [channels, lines]."""
    return np.asarray(np.sqrt((lines.real**2 + lines.imag**2).sum(axis=1)))


def harmonics_of(spectrum: Spectrum) -> NDArray[np.complex128]:
    """Complex rms [channels, ORDERS + 1] of the lines at h times the fundamental; NaN beyond the band."""
    result = np.full((spectrum.lines.shape[0], ORDERS + 1), complex(np.nan, np.nan))
    if spectrum.cycles:
        index = spectrum.cycles * np.arange(spectrum.band.indicative_to + 1)
        index = index[index < spectrum.lines.shape[1]]
        result[:, : index.size] = np.where(spectrum.measured[:, index], spectrum.lines[:, index], np.nan)
    return result


def subgroups_of(spectrum: Spectrum) -> NDArray[np.float64]:
    """Rms [channels, ORDERS + 1] of the harmonic subgroups (IEC 61000-4-7, 5.6): a harmonic's line and its two
    neighbours. NaN beyond the band; order 0 is direct current alone.

    A record of fewer than ten cycles has lines too far apart for neighbours to belong: the line alone.
    """
    power = np.abs(harmonics_of(spectrum)) ** 2
    if spectrum.cycles >= 10:
        last = spectrum.band.indicative_to
        index = spectrum.cycles * np.arange(1, last + 1)
        every = spectrum.lines.real**2 + spectrum.lines.imag**2
        index = index[index + 1 < every.shape[1]]
        power[:, 1 : index.size + 1] += every[:, index - 1] + every[:, index + 1]
    return np.asarray(np.sqrt(power))


def lit_channels(spectrum: Spectrum, floors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which channels [channels] carry a fundamental: above their noise floor and standing out of the lines around."""
    n = spectrum.cycles
    if n == 0 or 2 * n >= spectrum.lines.shape[1]:
        return np.zeros(spectrum.lines.shape[0], dtype=bool)
    fundamental = np.abs(spectrum.lines[:, n])
    lit = (fundamental >= floors) & spectrum.measured[:, n]
    if n >= 4:
        around = np.abs(spectrum.lines[:, n // 2 : n + n // 2 + 1]) ** 2
        centre = n - n // 2
        background = (around.sum(axis=1) - around[:, centre - 1 : centre + 2].sum(axis=1)) / (around.shape[1] - 3)
        lit &= fundamental**2 >= PROMINENCE * background
    return lit


def thd_pct(subgroups: NDArray[np.float64], last_order: int) -> NDArray[np.float64]:
    """Total distortion of the subgroups 2..last_order (THDS, IEC 61000-4-7, 3.3.2), % of the fundamental subgroup,
    [channels]."""
    if last_order < 2:
        return np.full(subgroups.shape[0], np.nan)
    distortion = np.sqrt(np.nansum(subgroups[:, 2 : last_order + 1] ** 2, axis=1))
    return np.asarray(100.0 * distortion / subgroups[:, 1])
