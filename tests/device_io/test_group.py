"""The clock of a group whose members do not report their time: steady, whatever delays their links have."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pytest

from device_io.group import UNTOLD_US, GroupSource
from device_io.source import ClockReport, LinkPhase, LinkState, ModuleInfo, SampleBlock, Sink
from device_io.virtual_module.module import VirtualModule
from tests.fakes.recording_sink import RecordingSink

START_NS = 1_790_000_000_000_000_000
BLOCK_S = 0.025
RATE_HZ = 4000.0


class Member:
    """A module whose crystal runs `ppm` fast, behind a link that delays each block by up to `longest_s`."""

    def __init__(self, number: int, ppm: float, longest_s: float) -> None:
        self.info: ModuleInfo = VirtualModule("clean", "1P", seed=number).info
        self._speed = 1.0 + ppm * 1e-6
        self._longest_s = longest_s
        self._rng = random.Random(number)
        self._began_s = 0.3 * number
        self.sink: Sink | None = None

    def start(self, sink: Sink) -> None:
        self.sink = sink
        sink.on_identity(self.info)

    def stop(self) -> None:
        pass

    def own_us(self, now_s: float) -> float:
        return (now_s - self._began_s) * self._speed * 1e6

    def send(self, slot: int) -> None:
        """Deliver the block of a slot of true time."""
        at_s = slot * BLOCK_S
        index = round(slot * BLOCK_S * RATE_HZ)
        # A usual link: mostly quick, at times slow.
        delay_s = self._longest_s * self._rng.random() ** 3
        host_ns = START_NS + round((at_s + BLOCK_S + delay_s) * 1e9)
        counts = np.zeros((round(BLOCK_S * RATE_HZ), 2), np.int32)
        block = SampleBlock(0, index, RATE_HZ, counts, round(self.own_us(at_s)), host_ns)
        assert self.sink is not None
        self.sink.on_blocks([block])

    def report(self, now_s: float, uncertainty_us: float = 20.0, error_us: float = 0.0) -> None:
        """Say what time it is."""
        utc_us = round(START_NS / 1000 + now_s * 1e6 + error_us)
        report = ClockReport(round(self.own_us(now_s)), utc_us, uncertainty_us)
        assert self.sink is not None
        self.sink.on_state(LinkState(LinkPhase.STREAMING, "usb:x", clock=report))


def running(longest_s: float, ppm: tuple[float, float, float]) -> tuple[GroupSource, list[Member], RecordingSink]:
    members = [Member(number, of, longest_s) for number, of in enumerate(ppm, 1)]
    group, sink = GroupSource(members), RecordingSink()
    group.start(sink)
    return group, members, sink


def speeds(sink: RecordingSink, chip: int) -> list[float]:
    """How fast the group's clock runs against true time, from each second of blocks to the next (1 is right)."""
    blocks = [block for block in sink.blocks if block.chip == chip][::40]
    return [
        (after.device_time_us - before.device_time_us) / ((after.first_index - before.first_index) / RATE_HZ * 1e6)
        for before, after in pairwise(blocks)
    ]


@pytest.mark.parametrize("longest_s", [0.001, 0.01, 0.03])
def test_the_delays_of_links_do_not_change_the_rate(longest_s: float):
    """100 ppm are 5 mHz of 50 Hz; a clock that follows each arrival is thousands off in its first seconds."""
    group, members, sink = running(longest_s, (0.0, 30.0, -30.0))
    for slot in range(2400):  # a minute
        for member in members:
            member.send(slot)
    assert group.uncertainty_us == pytest.approx(math.sqrt(2.0) * UNTOLD_US)
    for chip in range(3):
        found = speeds(sink, chip)
        assert len(found) > 55
        assert max(abs(speed - 1.0) for speed in found) < 140e-6
    group.stop()


def test_clocks_that_drift_apart_stay_together():
    """Crystals 80 ppm apart drift by 0.3 s in an hour; the group's clock may be 5 ms off."""
    group, members, sink = running(0.002, (0.0, 40.0, -40.0))
    for slot in range(0, 144_000, 4):  # an hour
        for member in members:
            member.send(slot)
    last = {block.chip: block.device_time_us - block.first_index / RATE_HZ * 1e6 for block in sink.blocks}
    assert max(last.values()) - min(last.values()) < UNTOLD_US
    group.stop()


def test_members_that_report_their_time_begin_with_it():
    group, members, sink = running(0.01, (0.0, 30.0, -30.0))
    for slot in range(400):
        if slot and slot % 40 == 0:  # each second
            for member in members:
                member.report(slot * BLOCK_S)
        for member in members:
            member.send(slot)
    assert len(sink.identities) == 1
    assert math.sqrt(2.0) * 20.0 < group.uncertainty_us < 1.3 * math.sqrt(2.0) * 20.0
    assert min(block.first_index for block in sink.blocks) >= 80 * BLOCK_S * RATE_HZ
    for chip in range(3):
        assert max(abs(speed - 1.0) for speed in speeds(sink, chip)) < 140e-6
    group.stop()


@pytest.mark.parametrize("seed", range(20))
def test_their_clocks_are_as_near_as_the_group_says(seed: int):
    """Reports with errors of their own, at odd times, some right behind another, on crystals as they are."""
    rng = random.Random(seed)
    uncertainty_us = rng.choice((1.0, 20.0, 300.0))
    group, members, sink = running(0.01, tuple(rng.gauss(0.0, 30.0) for _ in range(3)))  # type: ignore[arg-type]
    late_s = [rng.uniform(0.0, 1.0) for _ in members]
    off, told = 0, 0
    for slot in range(800):
        for member, late in zip(members, late_s, strict=True):
            if (slot + round(late / BLOCK_S)) % 40 == 0:
                after_s = late % BLOCK_S
                for behind_s in (0.0, 0.0005)[: rng.choice((1, 1, 2))]:
                    error_us = rng.gauss(0.0, 0.5 * uncertainty_us)
                    member.report(slot * BLOCK_S - after_s + behind_s, uncertainty_us, error_us)
            before = len(sink.blocks)
            member.send(slot)
            last = {block.chip: block for block in sink.blocks[-3:]}
            if len(sink.blocks) > before and len(last) == 3:
                ahead_us = [block.device_time_us - block.first_index / RATE_HZ * 1e6 for block in last.values()]
                told += 1
                off += max(ahead_us) - min(ahead_us) > 1.5 * group.uncertainty_us + 2.0
    assert told > 1500
    assert off < 0.02 * told, "three clocks, of which two may be as far apart as the group says (95 %)"
    group.stop()


def test_a_lone_report_is_not_waited_behind():
    """Nor believed for long: a crystal runs away from it."""
    group, members, sink = running(0.01, (0.0, 30.0, -30.0))
    for slot in range(800):
        if slot == 40:
            for member in members:
                member.report(slot * BLOCK_S)
        for member in members:
            member.send(slot)
    assert sink.blocks
    assert group.uncertainty_us > 1000.0
    group.stop()


def test_one_that_learns_the_time_later_begins_a_new_group():
    """Its blocks are put on another clock from then on: not a jump within one group."""
    group, members, sink = running(0.01, (0.0, 0.0, 0.0))
    for slot in range(200):
        for member in members:
            member.send(slot)
    assert len(sink.identities) == 1
    for member in members:
        member.report(200 * BLOCK_S)
        member.report(201 * BLOCK_S)
    first, *later = [identity.boot_id for identity in sink.identities]
    assert later
    assert first not in later
    group.stop()
