"""Long campaigns on the link: a sample of each in every run, the full counts with `make soak`."""

from __future__ import annotations

import random

import numpy as np
import pytest

from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, SampleDecoder
from device_io.source import SampleBlock
from device_io.virtual_module.module import VirtualModule, sample_frame
from device_io.waveform_store import WaveformStore

LOOK_EVERY = 500
"""Slots after which the ring buffer is compared with what the module made."""
SLOT_MS = 25
STORE_S = 30.0
EDGE_S = 1e-3
"""How far a gap's ends may stand from where the module's own stamps put them: a block takes 20 ms."""


class Run:
    """A module, a damaged line and the host's path from bytes to the ring buffer, slot by slot, in no real time."""

    def __init__(self, coding: Coding, chance: float, seed: int) -> None:
        self.module = VirtualModule("office", seed=seed)
        chips = self.module.info.chips
        self.coding, self.chance, self.rng = coding, chance, random.Random(seed)
        self.deframer = Deframer()
        self.decoder = SampleDecoder(
            {number: chip.nominal_rate_hz for number, chip in enumerate(chips)},
            {number: len(chip.channels) for number, chip in enumerate(chips)},
        )
        self.store = WaveformStore(self.module.info, STORE_S)
        self.scales = [np.array([c.unit_per_count for c in chip.channels], np.float32) for chip in chips]
        self.made: dict[tuple[int, int], tuple[int, SampleBlock]] = {}  # not yet compared, with its slot
        self.arrived: set[tuple[int, int]] = set()
        self.begun = [-1 for _ in chips]  # the first sample that arrived
        self.ends = [-1 for _ in chips]  # behind the newest
        self.first_us = 0  # of the first sample stored
        self.missing: list[tuple[float, float]] = []  # (start, stop) in s of the blocks that the line lost lately
        self.blocks_made = self.blocks_missing = self.samples_missing = self.latest_slots = 0

    def slot(self, slot: int) -> None:
        """What the module samples in a slot goes over the line, in two reads."""
        blocks = self.module.blocks(slot)
        self.made.update({(block.chip, block.first_index): (slot, block) for block in blocks})
        self.blocks_made += len(blocks)
        wire = damage(b"".join(sample_frame(block, 0, self.coding) for block in blocks), self.chance, self.rng)
        cut = self.rng.randrange(len(wire) + 1)
        for data in (wire[:cut], wire[cut:]):
            self._read(data, slot)

    def _read(self, data: bytes, slot: int) -> None:
        payloads = [payload for kind, payload in self.deframer.feed(data) if kind == Kind.SAMPLES]
        self.deframer.take_text()
        blocks = self.decoder.decode(payloads, 0)
        if blocks and not self.decoder.blocks - len(blocks):
            self.first_us = min(block.device_time_us for block in blocks)
        self.store.append(blocks)
        for block in blocks:
            made_in, made = self.made[block.chip, block.first_index]
            assert np.array_equal(block.counts, made.counts)
            assert block.device_time_us == made.device_time_us
            assert (block.chip, block.first_index) not in self.arrived
            self.arrived.add((block.chip, block.first_index))
            if self.begun[block.chip] < 0:
                self.begun[block.chip] = block.first_index
            self.ends[block.chip] = block.first_index + len(block.counts)
            self.latest_slots = max(self.latest_slots, slot - made_in)

    def compare(self) -> None:
        """The ring buffer holds what arrived, NaN for all that did not, and names these gaps and no others."""
        gaps = self.store.gaps(-1.0, 1e9)
        for (chip, index), (_, block) in list(self.made.items()):
            if index + len(block.counts) > self.ends[chip]:
                continue  # what follows it has not arrived yet
            del self.made[chip, index]
            stored = self.store.samples(chip, index, len(block.counts))
            if (chip, index) in self.arrived:
                self.arrived.remove((chip, index))
                assert np.array_equal(stored, block.counts.astype(np.float32) * self.scales[chip])
                continue
            assert np.isnan(stored).all()
            if index < self.begun[chip]:
                continue  # lost before anything arrived: the record begins behind it
            start_s = (block.device_time_us - self.first_us) * 1e-6
            stop_s = start_s + len(block.counts) / block.rate_hz
            assert any(start < start_s + EDGE_S and stop > stop_s - EDGE_S for start, stop in gaps), (chip, index)
            self.missing.append((start_s, stop_s))
            self.blocks_missing += 1
            self.samples_missing += len(block.counts)
        edges = np.array([*self.missing, (np.inf, np.inf)])
        for start, stop in gaps:
            assert np.abs(edges[:, 0] - start).min() < EDGE_S
            assert np.abs(edges[:, 1] - stop).min() < EDGE_S
        if self.missing:
            self.missing = [span for span in self.missing if span[1] > self.missing[-1][1] - 2 * STORE_S]


def damage(wire: bytes, chance: float, rng: random.Random) -> bytes:
    """Each byte is flipped, dropped or doubled with this chance; some log text comes in between."""
    result = bytearray(wire)
    for _ in range(int(len(wire) * chance + rng.random())):
        place = rng.randrange(len(result))
        what = rng.randrange(4)
        if what == 0:
            result[place] ^= 1 << rng.randrange(8)
        elif what == 1:
            del result[place]
        elif what == 2:
            result.insert(place, rng.randrange(256))
        else:
            result[place:place] = b"\r\nI (1234) main: free heap 182344\r\n"
    return bytes(result)


def stream(seconds: float, coding: Coding, chance: float, seed: int) -> Run:
    run = Run(coding, chance, seed)
    for slot in range(run.module.slot_at(seconds)):
        run.slot(slot)
        if slot % LOOK_EVERY == LOOK_EVERY - 1:
            run.compare()
    run.compare()
    # A frame whose end was hit waits for the next one; nothing waits longer, after an hour as at the beginning.
    assert run.latest_slots <= 1
    assert run.decoder.blocks_bad == run.decoder.blocks_repeated == 0
    lost = run.blocks_made - run.decoder.blocks
    if chance == 0:
        assert lost == run.deframer.frames_damaged == 0
    else:
        assert 0 < run.blocks_missing <= lost < run.blocks_made
        assert run.decoder.samples_missing == run.samples_missing
        # A damaged delimiter can hide one damaged frame in another; nothing vanishes uncounted.
        assert run.deframer.frames_damaged > 0
    return run


@pytest.mark.timeout(180)
@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("chance", [0.0, 0.0001, 0.001])
def test_a_damaged_line_never_makes_a_wrong_sample_and_every_gap_is_marked(coding: Coding, chance: float) -> None:
    stream(25.0 if chance else 5.0, coding, chance, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("chance", [0.0001, 0.001])
def test_an_hour_on_a_damaged_line(coding: Coding, chance: float) -> None:
    run = stream(3600.0, coding, chance, random.randrange(1 << 30))
    print(
        f"\n{coding.name}, {100 * chance:g} % of the bytes damaged: of {run.blocks_made} blocks {run.decoder.blocks} "
        f"arrived, all as they were made; {run.blocks_missing} are marked as missing; the latest was "
        f"{SLOT_MS * run.latest_slots} ms late"
    )
