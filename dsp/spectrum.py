"""Spectrum of a window at the terminals, by the response of the front end; the band rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dsp.channels import ChannelSpec
from dsp.measurement import NO_BAND, ORDERS, Band
from dsp.resample import gain
from dsp.response import Section, transfer
from dsp.waveform import REACH, Waveforms
from dsp.window import Window

TRUSTED = 0.40
INDICATIVE = 0.495
"""Band rule, as parts of the sample rate."""
BAND_TOLERANCE = 5e-4
"""So that an order on the limit (33 x 60 Hz at 4 ksps) does not come and go with the clock's error."""

SMALLEST_RESPONSE = 1e-3
"""Where a front end passes less, nothing is measured (direct current behind a high-pass)."""

STEADY = 1e-4
"""Change of frequency up to which responses are linear: even where the resampler's gain falls, their second-order rest
is below 1e-4 of the line itself."""

ROOT_2 = math.sqrt(2.0)

PROMINENCE = 30.0
"""A fundamental holds at least this many times the mean power of the lines about it. In noise a line does so once in
250 000 windows (F distribution of 2 and 16 degrees of freedom), a little more often where the window followed it."""


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
    """Inverse of all that lies between the terminals and the lines: each channel's response, and the resampler's gain.

    From window to window the frequency hardly moves: the inverse is worked out with its slopes, and carried on along
    them until the frequency, or the rate of a chip, has changed by STEADY.
    """

    def __init__(self, channels: Sequence[ChannelSpec]) -> None:
        self._responses: list[tuple[Section, ...]] = []
        kind = []
        for channel in channels:
            response = tuple(channel.response)
            if response not in self._responses:
                self._responses.append(response)
            kind.append(self._responses.index(response))
        self._kind = np.array(kind, dtype=np.intp)
        self._step_hz = 0.0
        self._rates_hz = np.zeros(len(kind))
        self._passes = np.zeros((len(kind), 0), dtype=bool)
        self._inverse = self._by_step = self._by_rate = np.zeros((len(kind), 0))

    def at(
        self, step_hz: float, rates_hz: NDArray[np.float64], count: int
    ) -> tuple[NDArray[np.complex128], NDArray[np.bool_]]:
        """The inverse at k step_hz, k = 0..count - 1, for samples of rates_hz [channels], 0 where a response passes
        nothing, and whether it passes: [channels, count] both. Times the root of 2 but for k = 0: lines are rms."""
        drift = step_hz / self._step_hz - 1.0 if self._step_hz else np.inf
        rates = rates_hz - self._rates_hz
        if abs(drift) > STEADY or count > self._passes.shape[1] or np.abs(rates).max() > STEADY * rates_hz[0]:
            self._work_out(step_hz, rates_hz, count + 2)
            drift, rates = 0.0, np.zeros(rates_hz.size)
        parts = self._by_step[:, : 2 * count] * drift  # real and imaginary: the factors are real
        parts += self._inverse[:, : 2 * count]
        if rates.any():
            parts += self._by_rate[:, : 2 * count] * (rates / self._rates_hz)[:, None]
        return parts.view(np.complex128), self._passes[:, :count]

    def _work_out(self, step_hz: float, rates_hz: NDArray[np.float64], count: int) -> None:
        self._step_hz, self._rates_hz = step_hz, rates_hz.copy()
        lines_hz: NDArray[np.float64] = np.arange(count, dtype=np.float64) * step_hz
        here, below, above = (self._invert(lines_hz * factor) for factor in (1.0, 1.0 - STEADY, 1.0 + STEADY))
        smooth = (below != 0.0) & (above != 0.0) & (here != 0.0)
        slope = np.where(smooth, (above - below) / (2.0 * STEADY), 0.0)
        # A line above half the sample rate is used by nobody, but must not be divided by nothing.
        places = np.minimum(lines_hz / rates_hz[:, None], 0.5)
        gains, lower, upper = (1.0 / gain(np.minimum(places * f, 0.5)) for f in (1.0, 1.0 - STEADY, 1.0 + STEADY))
        gain_slope = (upper - lower) / (2.0 * STEADY)
        self._passes = here[self._kind] != 0.0
        by_rate = -here[self._kind] * gain_slope
        by_step = slope[self._kind] * gains - by_rate
        rms = np.where(np.arange(count), ROOT_2, 1.0)
        self._inverse, self._by_step, self._by_rate = (
            (rms * part).view(np.float64) for part in (here[self._kind] * gains, by_step, by_rate)
        )

    def _invert(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        response = np.stack([transfer(sections, frequency_hz) for sections in self._responses])
        passed = np.abs(response) >= SMALLEST_RESPONSE
        return np.where(passed, 1.0 / np.where(passed, response, 1.0), 0.0)


def band_of(rate_hz: float, fundamental_hz: float, most: int = ORDERS) -> Band:
    """The orders that the sample rate allows, at most so many."""
    trusted = int(TRUSTED * rate_hz * (1.0 + BAND_TOLERANCE) / fundamental_hz)
    indicative = int(INDICATIVE * rate_hz * (1.0 + BAND_TOLERANCE) / fundamental_hz)
    last = min(most, indicative)
    return Band(min(most, trusted), last, last if last > 1 else 0)


HIGHEST_RAD = 2.55
"""Tones up to so much from instant to instant have their leakage told: 0.8 of half the sample rate at any frequency."""


LINES_AT_ONCE = 8192
"""Records of high rates have many: so many are worked out at once, in some 100 MB."""


@lru_cache(maxsize=8)
def _ends(points: int, reach: int) -> NDArray[np.float64]:
    """What the mean over a window's instants lacks against the integral, by lines: weights [2 reach + 1, lines x (real,
    imaginary)] of the differences between the samples about its end and those about its start.

    A tone that turns by d more than a line from instant to instant, and by which the end differs from the start, adds
    1 / (exp(j d) - 1) of that difference to the sum, and 1 / (j d) to the integral. The weights make up for it by
    least squares over all tones up to HIGHEST_RAD.
    """
    tones = np.linspace(-HIGHEST_RAD, HIGHEST_RAD, 241)
    turns = np.exp(1j * tones[:, None] * np.arange(-reach, reach + 1))
    solving = np.linalg.pinv(turns) / points
    weights = np.empty((2 * reach + 1, points // 2 + 1), dtype=np.complex128)
    for start in range(0, weights.shape[1], LINES_AT_ONCE):
        lines = np.arange(start, min(start + LINES_AT_ONCE, weights.shape[1]))
        apart = tones[:, None] - 2.0 * np.pi * lines / points
        apart = np.where(np.abs(apart) < 1e-6, 1e-6, apart)
        weights[:, lines] = solving @ (1.0 / (1j * apart) - 1.0 / np.expm1(1j * apart))
    return weights.view(np.float64)


def spectra_of(waveforms: Waveforms, windows: Sequence[Window], front_ends: Sequence[FrontEnd]) -> list[Spectrum]:
    """Transform windows, and divide by the gain of the resampler and by each channel's response.

    The waveforms reach REACH instants beyond both ends of a window, which tell how it goes on there. So the lines
    are those of the integral that IEC 61000-4-7 (3.1) starts from also where a tone between two lines leaves a step
    between the ends; the plain sum over the samples would depend on their number.
    """
    samples, rates_hz = waveforms.samples, waveforms.rates_hz
    points = samples.shape[2] - 2 * REACH - 1
    slowest_hz = rates_hz.min(axis=1).tolist()
    spectra = []
    for own, continued, window, front_end, rates, rate in zip(
        samples, waveforms.continued, windows, front_ends, rates_hz, slowest_hz, strict=True
    ):
        duration_s = window.end_s - window.start_s
        cycles = window.cycles if window.model is not None else 0
        in_band = min(int(INDICATIVE * rate * (1.0 + BAND_TOLERANCE) * duration_s) + 1, points // 2)
        band = NO_BAND
        if cycles:  # 12 of a frequency below 50 Hz have more lines than there are points for
            band = band_of(rate, cycles / duration_s, min(ORDERS, (in_band - 1) // cycles))
        factors, measured = front_end.at(1.0 / duration_s, rates, in_band + 1)
        lines = np.fft.rfft(own[:, REACH : points + REACH], axis=1, norm="forward")
        # Where the signal had to be continued its ends alone are sure.
        reach = 0 if continued else REACH
        steps = own[:, points + REACH - reach : points + REACH + reach + 1] - own[:, REACH - reach : REACH + reach + 1]
        lines.view(np.float64)[:, : 2 * in_band + 2] += steps @ _ends(points, reach)[:, : 2 * in_band + 2]
        factors *= lines[:, : in_band + 1]
        spectra.append(Spectrum(factors, measured, duration_s, cycles, in_band, band))
    return spectra


def lit_channels(squares: NDArray[np.float64], cycles: int, floors: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which channels [..., channels] carry a fundamental: above their noise floor [channels] and standing out of the
    lines around.

    squares: those of the lines [..., channels, lines], more than 1.5 times as many as cycles, the number of the
    fundamental's."""
    n = cycles
    fundamental = squares[..., n]
    lit = fundamental >= floors * floors
    if n >= 4:
        first, stop = n // 2, n + n // 2 + 1
        background = np.add.reduce(squares[..., first:stop], axis=-1) - np.add.reduce(
            squares[..., n - 1 : n + 2], axis=-1
        )
        lit &= fundamental * (stop - first - 3) >= PROMINENCE * background
    return np.asarray(lit)
