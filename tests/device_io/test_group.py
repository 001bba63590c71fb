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

    def report(self, now_s: float, uncertainty_us: float = 20.0) -> None:
        """Say what time it is."""
        report = ClockReport(round(self.own_us(now_s)), round(START_NS / 1000 + now_s * 1e6), uncertainty_us)
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
        if slot == 40:  # a second after the beginning
            for member in members:
                member.report(slot * BLOCK_S)
        for member in members:
            member.send(slot)
    assert len(sink.identities) == 1
    assert group.uncertainty_us == pytest.approx(math.sqrt(2.0) * 20.0)
    assert min(block.first_index for block in sink.blocks) >= 40 * BLOCK_S * RATE_HZ
    for chip in range(3):
        assert max(abs(speed - 1.0) for speed in speeds(sink, chip)) < 140e-6
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
