"""Payloads of SAMPLES frames, to and from blocks of samples; docs/link-protocol.md sections 6 and 7."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from device_io.sensix_link.difference import (
    MAX_COUNT,
    MIN_COUNT,
    WARM_UP,
    decode_difference,
    decode_raw,
    encode_difference,
    encode_raw,
)
from device_io.source import SampleBlock

MAX_CHANNELS = 3
MAX_SAMPLES = 800
"""Samples of one block at most; a raw one of 3 channels then fits into a frame."""
MAX_JUMP_S = 10 * 365.25 * 86_400
"""A jump of the sample index by more than this time can't be a gap."""

_HEADER = struct.Struct("<BBBHQQI")
HEADER_SIZE = _HEADER.size
_Header = tuple[int, int, int, int, int, int, int]
"""Chip, coding, channels, samples, index of the first one, its time (us), blocks left out."""
_MAX_INDEX = 2**62


class Coding(IntEnum):
    """How the samples of a block are written."""

    RAW24 = 0
    DIFFERENCE = 1


def encode_blocks(
    chip: int,
    first_index: int,
    device_times_us: Sequence[int],
    left_out: int,
    counts: NDArray[np.int32],
    coding: Coding,
) -> list[bytes]:
    """Payloads of consecutive blocks of one chip.

    device_times_us: of the first sample of each block; counts: int32 [blocks, samples 1..800, channels 1..3] within 24
    bits. A block that DIFFERENCE would make longer is sent as RAW24. Raises ValueError for what does not fit.
    """
    if counts.ndim != 3 or not (0 < counts.shape[1] <= MAX_SAMPLES and 0 < counts.shape[2] <= MAX_CHANNELS):
        raise ValueError(
            f"counts {counts.shape} are not blocks of 1 to {MAX_SAMPLES} samples, 1 to {MAX_CHANNELS} channels"
        )
    if not counts.size:
        return []
    if counts.max() > MAX_COUNT or counts.min() < MIN_COUNT:
        raise ValueError("a sample does not fit into 24 bits")
    blocks, samples, channels = counts.shape
    raw = encode_raw(counts).tobytes()
    size = samples * channels * 3
    bodies = [raw[start : start + size] for start in range(0, len(raw), size)]
    codings = [Coding.RAW24] * blocks
    if coding == Coding.DIFFERENCE and samples > WARM_UP:
        for i, body in enumerate(encode_difference(counts)):
            if len(body) < size:
                bodies[i], codings[i] = body, Coding.DIFFERENCE
    try:
        return [
            _HEADER.pack(chip, used, channels, samples, first_index + i * samples, time_us, left_out) + body
            for i, (used, time_us, body) in enumerate(zip(codings, device_times_us, bodies, strict=True))
        ]
    except struct.error as error:
        raise ValueError(f"a field of the block's header is out of range: {error}") from None


def encode_samples(
    chip: int, first_index: int, device_time_us: int, left_out: int, counts: NDArray[np.int32], coding: Coding
) -> bytes:
    """Payload of one block: counts int32 [samples, channels]; else as `encode_blocks`."""
    return encode_blocks(chip, first_index, (device_time_us,), left_out, counts[None], coding)[0]


class SampleDecoder:
    """Turns payloads of SAMPLES frames into blocks; checks and counts per chip. One instance a session.

    chip_rates: {chip: nominal rate in Hz}; channels: {chip: its channels}. Never raises on what a line delivers.

    Counters, all only grow: blocks (delivered), blocks_repeated (repeated, overlapping or going back: dropped),
    blocks_bad (contradict themselves or the identity, or jump by more than MAX_JUMP_S: dropped), samples_missing (at
    jumps of the index), left_out (the module's own count of blocks that the line could not carry since HELLO).
    """

    def __init__(self, chip_rates: Mapping[int, float], channels: Mapping[int, int]) -> None:
        self.blocks = 0
        self.blocks_repeated = 0
        self.blocks_bad = 0
        self.samples_missing = 0
        self.left_out = 0
        self._rates = dict(chip_rates)
        self._channels = {chip: count for chip, count in channels.items() if chip in chip_rates}
        self._next_index: dict[int, int] = {}

    def decode(self, payloads: list[bytes], host_time_ns: int) -> list[SampleBlock]:
        """Blocks of all payloads that one read delivered, in order; faster the more there are in one call."""
        # A payload without a whole header has no channels, and so no samples.
        starts = b"".join([payload[:HEADER_SIZE].ljust(HEADER_SIZE, b"\0") for payload in payloads])
        headers: list[_Header] = list(_HEADER.iter_unpack(starts))
        shapes: dict[tuple[int, ...], list[int]] = {}
        for position, header in enumerate(headers):
            shapes.setdefault(header[1:4], []).append(position)
        counts: list[NDArray[np.int32] | None] = [None] * len(payloads)
        for (coding, channels, samples), positions in shapes.items():
            of_chip = [i for i in positions if self._channels.get(headers[i][0]) == channels]
            for position, decoded in _decode_shape(payloads, of_chip, coding, channels, samples):
                counts[position] = decoded
        result: list[SampleBlock] = []
        following, rates = self._next_index, self._rates
        for (chip, _, _, samples, index, time_us, left_out), block in zip(headers, counts, strict=True):
            if block is None or index > _MAX_INDEX or time_us > _MAX_INDEX:
                self.blocks_bad += 1
                continue
            rate_hz = rates[chip]
            missing = index - following.get(chip, index)
            if missing < 0:
                self.blocks_repeated += 1
                continue
            if missing:
                if missing > MAX_JUMP_S * rate_hz:
                    self.blocks_bad += 1
                    continue
                self.samples_missing += missing
            following[chip] = index + samples
            if left_out > self.left_out:
                self.left_out = left_out
            result.append(SampleBlock(chip, index, rate_hz, block, time_us, host_time_ns))
        self.blocks += len(result)
        return result


def _decode_shape(
    payloads: list[bytes], positions: list[int], coding: int, channels: int, samples: int
) -> Iterable[tuple[int, NDArray[np.int32]]]:
    """(position, samples) of the sound ones among these payloads, which say that they are of this shape."""
    size = HEADER_SIZE + samples * channels * 3
    if coding == Coding.RAW24:
        positions = [i for i in positions if len(payloads[i]) == size]
    if not positions or not 0 < samples <= MAX_SAMPLES:
        return ()
    if coding == Coding.RAW24:
        rows = b"".join([payloads[i] for i in positions])
        blocks = decode_raw(rows, size, HEADER_SIZE, samples * channels).reshape(-1, samples, channels)
        return zip(positions, blocks, strict=True)
    if coding == Coding.DIFFERENCE and samples > WARM_UP:
        blocks, good = decode_difference([payloads[i][HEADER_SIZE:] for i in positions], samples, channels)
        return [(i, block) for i, block, sound in zip(positions, blocks, good.tolist(), strict=True) if sound]
    return ()
