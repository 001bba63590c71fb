"""A module without hardware: identity, settings, and the sample blocks of its chips as functions of time."""

from __future__ import annotations

import math
import secrets
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from device_io.sensix_link.framing import encode_frame
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, encode_samples
from device_io.source import ChannelInfo, ChipInfo, ClockReport, ModuleInfo, SampleBlock
from device_io.virtual_module import EUIS
from device_io.virtual_module.front_end import (
    FULL_SCALE_A,
    FULL_SCALE_V,
    SAMPLE_RATE_HZ,
    SHIFT,
    ChipClock,
    MainsInputs,
    Quantiser,
    input_channel,
    noise_rms,
)
from device_io.virtual_module.mains import Times
from device_io.virtual_module.presets import Preset, preset
from device_io.virtual_module.replay import Loop, Recording, make_loop
from device_io.virtual_module.settings import Settings
from device_io.virtual_module.truth import Truth, no_truth, truth
from resources.systems import WiringSystem, channels_of, phases_of

if TYPE_CHECKING:
    from device_io.virtual_module.readings import ReadingsMaker

SLOT_S = 0.025
"""Every chip sends one block a slot: what it sampled in these 25 ms, 100 samples (now and then 99 or 101)."""
FIRMWARE = "virtual 1.0.0"
CLOCKS = (ChipClock(12.0, 0.0), ChipClock(-8.0, 83.0), ChipClock(21.0, 171.0))
"""Crystals of the three chips unless others are given."""
CLOCK_PPM = 3.0
"""How much faster than true time the module's own clock runs unless it is given."""


class _Inputs(Protocol):
    def values(self, t: Times) -> NDArray[np.float64]:
        """Values [n, inputs] in V and A at the converters of one chip at ascending true times (s)."""


class _LoopInputs:
    def __init__(self, loop: Loop, channels: Sequence[ChannelInfo]) -> None:
        self._loop = loop
        self._keys = [channel.key for channel in channels]

    def values(self, t: Times) -> NDArray[np.float64]:
        return self._loop.values(self._keys, t)


class VirtualModule:
    """One module on a preset of the mains, or playing a recording. Time 0 is its power-up.

    preset_name: one of `presets.preset_names()`, or a Preset. system: wiring system. seed: of the noise. eui: 16
    upper-case hex digits, else one that follows from preset, system and seed. replay: a Recording to play instead of
    the preset; its inputs have a flat response, for the file holds values of the terminals, and a full scale that fits.
    clocks: of the chips (one a phase). clock_ppm: of the module's own clock. start_ns, power_up_s: UTC and monotonic
    time of the power-up, the first look at its time unless they are given. clock_uncertainty_us: how well it keeps UTC;
    None where it does not.

    info: ModuleInfo (its name follows the settings). truth: {key: value or None}. settings: `Settings`.
    Raises UnknownPreset, ReplayError or ValueError, each with one sentence.
    """

    def __init__(
        self,
        preset_name: str | Preset = "clean",
        system: WiringSystem = "3P+N",
        *,
        seed: int = 0,
        eui: str | None = None,
        replay: Recording | None = None,
        clocks: Sequence[ChipClock] = CLOCKS,
        clock_ppm: float = CLOCK_PPM,
        start_ns: int | None = None,
        power_up_s: float | None = None,
        clock_uncertainty_us: float | None = None,
    ) -> None:
        self.preset = preset(preset_name) if isinstance(preset_name, str) else preset_name
        loop = None if replay is None else make_loop(replay)
        chips = tuple(_chip(phase, system, loop) for phase in phases_of(system))
        label = f"{self.preset.name}/{system}/{seed}"
        self._info = ModuleInfo(
            eui=eui or f"{EUIS}{zlib.crc32(label.encode()):08X}",
            type="1P-PowerMonitor1" if system.startswith("1P") else "3PN-PowerMonitor1",
            system=system,
            firmware=FIRMWARE,
            chips=chips,
            capabilities=frozenset({"waveform-stream", "readings", "settings"}),
            boot_id=secrets.randbits(32),
        )
        self.settings = Settings(self.preset.name, system, self.preset.nominal_v, self.preset.nominal_hz)
        self.truth: Truth = no_truth(system) if loop else truth(self.preset, system, self._info.channels)
        self.clocks = tuple(clocks[: len(chips)])
        self._clock = 1.0 + clock_ppm * 1e-6
        self._start_ns = time.time_ns() if start_ns is None else start_ns
        self._power_up_s = power_up_s
        self._clock_uncertainty_us = clock_uncertainty_us
        self._readings: ReadingsMaker | None = None
        self._readings_lock = threading.Lock()
        self._lock = threading.Lock()  # the noise goes on from block to block, whichever port asks
        self._inputs = [self._inputs_of(chip, system, loop) for chip in chips]
        self._quantisers = [
            Quantiser(chip.channels, self._sigma(chip, loop), np.random.default_rng([seed, number]))
            for number, chip in enumerate(chips)
        ]

    @property
    def info(self) -> ModuleInfo:
        """Identity, under the name in the settings."""
        return self._info._replace(name=str(self.settings["name"]))

    def now_s(self) -> float:
        """True time since power-up (s), which is the first call: the same for every port of the module."""
        with self._lock:
            if self._power_up_s is None:
                self._power_up_s = time.monotonic()
            return time.monotonic() - self._power_up_s

    def readings(self, max_age_s: float = 0.2) -> dict[str, float | None]:
        """The module's own readings, at most max_age_s old: {key of the published payload in its system: value}."""
        with self._readings_lock:
            if self._readings is None:
                # The measurement engine, for those who ask for it.
                from device_io.virtual_module.readings import ReadingsMaker

                self._readings = ReadingsMaker(self)
            return self._readings.at(self.now_s(), max_age_s)

    def device_time_us(self, t: float) -> int:
        """The module's clock (us) at true time t (s)."""
        return round(t * self._clock * 1e6)

    def clock_report(self, t: float) -> ClockReport | None:
        """What the module says of its clock at true time t (s); it errs by a tenth of what it admits."""
        if self._clock_uncertainty_us is None:
            return None
        utc_us = self._start_ns // 1000 + round(t * 1e6 + 0.1 * self._clock_uncertainty_us)
        return ClockReport(self.device_time_us(t), utc_us, self._clock_uncertainty_us)

    def slot_at(self, t: float) -> int:
        """Number of slots that are over at true time t (s)."""
        return math.floor(t / SLOT_S + 1e-9)

    def blocks(self, slot: int) -> list[SampleBlock]:
        """The block of each chip for the samples taken in [slot, slot + 1) x 25 ms. Slots may be left out.

        Samples are the same whichever slots were asked for before; only the noise goes on from call to call.
        """
        host_time_ns = self._start_ns + round((slot + 1) * SLOT_S * 1e9)
        result = []
        for number, clock in enumerate(self.clocks):
            first = clock.first_index_at(slot * SLOT_S)
            times = clock.times(first, clock.first_index_at((slot + 1) * SLOT_S) - first)
            values = self._inputs[number].values(times)
            with self._lock:
                counts = self._quantisers[number].counts(values)
            device_time_us = self.device_time_us(float(times[0]))
            result.append(SampleBlock(number, first, SAMPLE_RATE_HZ, counts, device_time_us, host_time_ns))
        return result

    def stream(self, seconds: float) -> Iterator[SampleBlock]:
        """All blocks of the first `seconds`, slot by slot, as fast as they are taken."""
        for slot in range(self.slot_at(seconds)):
            yield from self.blocks(slot)

    def encoded(self, seconds: float, coding: Coding = Coding.RAW24) -> Iterator[bytes]:
        """SAMPLES frames of the first `seconds`, those of a slot together, unpaced."""
        for slot in range(self.slot_at(seconds)):
            yield b"".join(sample_frame(block, 0, coding) for block in self.blocks(slot))

    def _inputs_of(self, chip: ChipInfo, system: WiringSystem, loop: Loop | None) -> _Inputs:
        if loop is not None:
            return _LoopInputs(loop, chip.channels)
        rows = self.preset.wiring.rows(system)
        return MainsInputs(self.preset.mains, [rows[channel.key] for channel in chip.channels], chip.channels)

    def _sigma(self, chip: ChipInfo, loop: Loop | None) -> list[float]:
        mains = self.preset.mains
        added: Mapping[str, float] = {} if loop else {"V": mains.noise_v, "A": mains.noise_a}
        return [math.hypot(noise_rms(channel), added.get(channel.unit, 0.0)) for channel in chip.channels]


def sample_frame(block: SampleBlock, left_out: int, coding: Coding) -> bytes:
    """The SAMPLES frame of a block."""
    payload = encode_samples(block.chip, block.first_index, block.device_time_us, left_out, block.counts, coding)
    return encode_frame(Kind.SAMPLES, payload)


def _chip(phase: int, system: WiringSystem, loop: Loop | None) -> ChipInfo:
    """Chip of a phase: its voltage and current, and the neutral's current on the first one."""
    keys = [f"V{phase}", f"I{phase}", *(["IN"] if phase == 1 and "IN" in channels_of(system) else [])]
    if loop is None:
        return ChipInfo(SAMPLE_RATE_HZ, tuple(input_channel(key) for key in keys), SHIFT)
    return ChipInfo(SAMPLE_RATE_HZ, tuple(_loop_channel(key, loop) for key in keys), SHIFT)


def _loop_channel(key: str, loop: Loop) -> ChannelInfo:
    """An input for a recording: the usual full scale, doubled until the recording fits with a tenth to spare."""
    full_scale = FULL_SCALE_V if key.startswith("V") else FULL_SCALE_A
    peak = float(np.abs(loop.points[:, loop.keys.index(key)]).max()) if key in loop.keys else 0.0
    while full_scale < 1.1 * peak:
        full_scale *= 2.0
    return input_channel(key, full_scale=full_scale, flat=True)
