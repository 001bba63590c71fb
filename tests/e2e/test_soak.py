"""Long campaigns on the link: a sample of each in every run, the full counts with `make soak`."""

from __future__ import annotations

import random

import numpy as np
import pytest

from device_io.sensix_link.framing import Deframer
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import Coding, SampleDecoder
from device_io.source import ModuleInfo
from device_io.virtual_module.module import VirtualModule
from device_io.waveform_store import WaveformStore


class Receiver:
    """The host's path from bytes to the ring buffer, and the samples that came out."""

    def __init__(self, info: ModuleInfo) -> None:
        self.deframer = Deframer()
        self.decoder = SampleDecoder(
            {number: chip.nominal_rate_hz for number, chip in enumerate(info.chips)},
            {number: len(chip.channels) for number, chip in enumerate(info.chips)},
        )
        self.store = WaveformStore(info, 60.0)
        self.blocks: dict[tuple[int, int], np.ndarray] = {}

    def take(self, data: bytes) -> None:
        payloads = [payload for kind, payload in self.deframer.feed(data) if kind == Kind.SAMPLES]
        blocks = self.decoder.decode(payloads, 0)
        self.store.append(blocks)
        for block in blocks:
            assert (block.chip, block.first_index) not in self.blocks
            self.blocks[block.chip, block.first_index] = block.counts
        self.deframer.take_text()


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


def run_campaign(seconds: float, coding: Coding, chance: float, seed: int) -> None:
    rng = random.Random(seed)
    module = VirtualModule("office", seed=seed)
    truth = {(block.chip, block.first_index): block.counts for block in module.stream(seconds)}
    again = VirtualModule("office", seed=seed)
    receiver = Receiver(module.info)
    for wire in again.encoded(seconds, coding):
        damaged = damage(wire, chance, rng)
        cut = rng.randrange(len(damaged) + 1)
        receiver.take(damaged[:cut])
        receiver.take(damaged[cut:])
    wrong = [key for key, counts in receiver.blocks.items() if not np.array_equal(counts, truth[key])]
    assert not wrong
    lost = len(truth) - len(receiver.blocks)
    assert receiver.decoder.blocks == len(receiver.blocks)
    if chance == 0:
        assert lost == 0
        assert receiver.deframer.frames_damaged == 0
    else:
        assert 0 < lost < len(truth)
        # A damaged delimiter can hide one damaged frame in another; nothing vanishes uncounted.
        assert receiver.deframer.frames_damaged + receiver.decoder.blocks_bad > 0
        assert receiver.decoder.samples_missing > 0


@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("chance", [0.0, 0.0001, 0.001])
def test_a_damaged_line_never_makes_a_wrong_sample(coding: Coding, chance: float) -> None:
    run_campaign(5.0, coding, chance, random.randrange(1 << 30))


@pytest.mark.soak
@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("chance", [0.0001, 0.001])
def test_an_hour_on_a_damaged_line(coding: Coding, chance: float) -> None:
    for part in range(60):
        run_campaign(60.0, coding, chance, part)
