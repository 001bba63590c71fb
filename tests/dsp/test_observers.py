"""What observers are told: every window and gap in order, with the samples that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from dsp.analyser import Analyser, ChannelSpec, ChipSpec
from dsp.observers import WindowData
from tests.fakes.mains_signal import Chip, blocks, three_phase

KEYS = (("V1", "I1", "IN"), ("V2", "I2"), ("V3", "I3"))


class Diary:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, float, float]] = []
        self.errors: list[float] = []
        self.reach_s: list[float] = []
        self.lost = 0
        self.mains = three_phase(50.03, 12)

    def on_windows(self, windows: Sequence[WindowData]) -> None:
        for data in windows:
            self.note(data)

    def note(self, data: WindowData) -> None:
        window = data.window
        self.spans.append(("window", window.start_s, window.end_s))
        assert data.utc_ns_of(window.end_s) == data.measurement.end_ns
        for channel in data.channels:
            raw = data.samples(channel.key, window.start_s, window.end_s)
            assert raw.time_s <= window.start_s + 1e-9
            assert raw.time_s + raw.values.size / raw.rate_hz >= window.end_s
            index = raw.first_index + np.arange(raw.values.size)
            truth = self.mains.sample(channel.key, chips()[data._places[channel.key][0]].time_s(index))
            self.errors.append(float(np.abs(raw.values - truth).max()))
            before = data.samples(channel.key, window.start_s - 2.0 / 50.03, window.start_s)
            self.reach_s.append(window.start_s - before.time_s)

    def on_gap(self, start_s: float, end_s: float, samples: int) -> None:
        self.spans.append(("gap", start_s, end_s))
        self.lost += samples

    def on_restart(self) -> None:
        self.spans.append(("restart", 0.0, 0.0))


def chips() -> list[Chip]:
    return [Chip(k, 4000.0, ppm, skew) for k, ppm, skew in zip(KEYS, (40, -60, 150), (0.0, 1e-4, 2e-4), strict=True)]


def specs() -> list[ChipSpec]:
    return [ChipSpec(4000.0, tuple(ChannelSpec(k, "V" if k[0] == "V" else "A") for k in keys)) for keys in KEYS]


def test_windows_gaps_and_samples_reach_observers_in_order() -> None:
    diary = Diary()
    engine = Analyser("3P+N", specs(), observers=(diary,))
    measured = []
    for number, block in enumerate(blocks(diary.mains, chips(), 2.0)):
        if not 150 <= number < 153:  # 20 ms are missing on every chip
            engine.push(*block)
        measured += engine.pull()
    measured += engine.finish()
    assert len(measured) == len(diary.spans)
    assert [kind for kind, *_ in diary.spans].count("gap") == 1
    for (_, _, end), (_, start, _) in pairwise(diary.spans):
        assert start == pytest.approx(end, abs=1e-9)
    assert diary.lost == 240
    assert max(diary.errors) < 1e-9
    after_gap = 1 + [kind for kind, *_ in diary.spans].index("gap")
    rows = np.array(diary.reach_s).reshape(-1, 7)
    begins = {0, after_gap - 1}
    assert all(rows[i].min() >= 2.0 / 50.03 for i in range(len(rows)) if i not in begins)


def test_a_restart_reaches_observers() -> None:
    diary = Diary()
    engine = Analyser("3P+N", specs(), observers=(diary,))
    for block in blocks(diary.mains, chips(), 0.5):
        engine.push(*block)
    engine.pull()
    engine.restart()
    assert [kind for kind, *_ in diary.spans] == ["window", "window", "gap", "restart"]
    assert [m.flags for m in engine.pull()] == [("gap",)]


def test_gain_of_a_front_end() -> None:
    class Tells:
        gains: list[complex]

        def on_windows(self, windows: Sequence[WindowData]) -> None:
            self.gains = [windows[0].gain_at(c.key, 50.0) for c in windows[0].channels]
            with pytest.raises(KeyError):
                windows[0].gain_at("V9", 50.0)

        def on_gap(self, start_s: float, end_s: float, samples: int) -> None: ...

        def on_restart(self) -> None: ...

    class HighPass:
        kind, corner_hz, q, delay_us = "highpass1", 50.0, 0.0, 0.0

    observer = Tells()
    engine = Analyser(
        "1P",
        [ChipSpec(4000.0, (ChannelSpec("V1", "V", response=(HighPass(),)), ChannelSpec("I1", "A")))],
        observers=(observer,),
    )
    for block in blocks(three_phase(50.0, 1), [Chip(("V1", "I1"))], 0.5):
        engine.push(*block)
    engine.pull()
    assert observer.gains == [pytest.approx(0.5 + 0.5j), 1.0]
