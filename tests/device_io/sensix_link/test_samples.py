"""Sample blocks: exact through both codings, checked, counted; never a wrong sample."""

from __future__ import annotations

import random
import struct
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import Kind
from device_io.sensix_link.samples import (
    HEADER_SIZE,
    MAX_SAMPLES,
    Coding,
    SampleDecoder,
    encode_blocks,
    encode_samples,
)
from device_io.source import SampleBlock

LOW, HIGH = -(2**23), 2**23 - 1
Counts = NDArray[np.int32]


def reference_difference(body: bytes, samples: int, channels: int) -> list[list[int]]:
    """The rules of the document in plain integers, as a firmware would write them."""

    def signed(octets: bytes) -> int:
        return int.from_bytes(octets, "little", signed=True)

    orders = body[:channels]
    place = channels
    rows = []
    for _ in range(4):
        rows.append([signed(body[place + 3 * c : place + 3 * c + 3]) for c in range(channels)])
        place += 3 * channels
    groups = (samples - 4 + 15) // 16
    widths = body[place : place + channels * groups]
    bits = int.from_bytes(body[place + channels * groups :], "little")
    columns = []
    for c in range(channels):
        x = [row[c] for row in rows]
        for i in range(samples - 4):
            width = widths[c * groups + i // 16]
            value = bits & ((1 << width) - 1)
            bits >>= width
            residual = value >> 1 if value % 2 == 0 else -(value + 1) // 2
            p = [0, x[-1], 2 * x[-1] - x[-2], 3 * x[-1] - 3 * x[-2] + x[-3],
                 4 * x[-1] - 6 * x[-2] + 4 * x[-3] - x[-4]][orders[c]]  # fmt: skip
            x.append(p + residual)
        columns.append(x)
    assert bits == 0
    return [list(row) for row in zip(*columns, strict=True)]


def signal(kind: str, samples: int, channels: int, seed: int) -> Counts:
    rng = np.random.default_rng(seed)
    n = np.arange(samples)[:, None]
    made = {
        "noise": rng.integers(LOW, HIGH + 1, (samples, channels)),
        "small": rng.integers(-3, 4, (samples, channels)),
        "extreme": rng.choice([LOW, HIGH], (samples, channels)),
        "alternating": np.where((n + np.arange(channels)) % 2, LOW, HIGH),
        "constant": np.full((samples, channels), seed % 2**24 - 2**23),
        "zero": np.zeros((samples, channels)),
        "sine": 1.5e6 * np.sin(n * 0.0785 + np.arange(channels)) + rng.normal(0, 130, (samples, channels)),
        "ramp": (n * 9000 * (1 + np.arange(channels))) % HIGH,
        "step": np.where(n > samples // 2, HIGH, LOW) + np.zeros((1, channels)),
        "spike": np.where(n == samples // 2, HIGH, 0) + np.zeros((1, channels)),
    }[kind]
    return np.rint(made).astype(np.int32)


KINDS = ("noise", "small", "extreme", "alternating", "constant", "zero", "sine", "ramp", "step", "spike")


def decode_one(payload: bytes, channels: int) -> Counts:
    (block,) = SampleDecoder({0: 4000.0}, {0: channels}).decode([payload], 1)
    assert block.counts.dtype == np.int32
    return block.counts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coding", list(Coding))
def test_exact_back_and_forth(kind: str, coding: Coding) -> None:
    for samples in (1, 4, 5, 19, 20, 21, 36, 37, 80, 83, 400, MAX_SAMPLES):
        for channels in (1, 2, 3):
            counts = signal(kind, samples, channels, samples + channels)
            payload = encode_samples(0, 0, 0, 0, counts, coding)
            assert len(payload) <= HEADER_SIZE + samples * channels * 3
            assert np.array_equal(decode_one(payload, channels), counts)
            if payload[1] == Coding.DIFFERENCE:
                assert reference_difference(payload[HEADER_SIZE:], samples, channels) == counts.tolist()


@settings(deadline=None)
@given(st.data(), st.integers(1, 90), st.integers(1, 3), st.sampled_from(Coding))
def test_any_samples_pass(data: st.DataObject, samples: int, channels: int, coding: Coding) -> None:
    value = st.integers(LOW, HIGH) | st.sampled_from([LOW, HIGH, 0, -1]) | st.integers(-300, 300)
    size = samples * channels
    counts = np.array(data.draw(st.lists(value, min_size=size, max_size=size)), np.int32).reshape(samples, channels)
    assert np.array_equal(decode_one(encode_samples(0, 0, 0, 0, counts, coding), channels), counts)


@pytest.mark.parametrize("orders", [(0, 1, 2), (3, 4, 0), (4, 4, 4), (3, 3, 1), (2, 0, 4)])
@pytest.mark.parametrize("samples", [5, 20, 21, 80, 101])
def test_a_sender_may_choose_any_order(orders: tuple[int, ...], samples: int) -> None:
    counts = np.random.default_rng(samples).integers(-1000, 1000, (samples, 3))
    body = bytes(orders) + b"".join(int(v).to_bytes(3, "little", signed=True) for v in counts[:4].reshape(-1))
    widths, bits, used = b"", 0, 0
    for column, order in zip(counts.T, orders, strict=True):
        residuals = [int(np.diff(column[: i + 1], n=order)[-1]) for i in range(4, samples)]
        zigzag = [2 * e if e >= 0 else -2 * e - 1 for e in residuals]
        for group in (zigzag[i : i + 16] for i in range(0, len(zigzag), 16)):
            widths += bytes([max(group).bit_length()])
            for value in group:
                bits |= value << used
                used += widths[-1]
    payload = header(0, 1, 3, samples) + body + widths + bits.to_bytes((used + 7) // 8, "little")
    assert np.array_equal(decode_one(payload, 3), counts)


def test_blocks_coded_together_are_the_same_as_one_by_one() -> None:
    for kind in KINDS:
        counts = signal(kind, 80 * 7, 3, 5).reshape(7, 80, 3)
        times = [20_000 * i for i in range(7)]
        together = encode_blocks(2, 1000, times, 9, counts, Coding.DIFFERENCE)
        single = [
            encode_samples(2, 1000 + 80 * i, times[i], 9, block, Coding.DIFFERENCE) for i, block in enumerate(counts)
        ]
        assert together == single


def mains(amplitude: float, seconds: int) -> list[Counts]:
    """3 + 2 + 2 channels at 4 ksps: 50 Hz with a few percent of harmonics and 130 counts rms of noise."""
    rng = np.random.default_rng(7)
    t = np.arange(4000 * seconds) / 4000

    def wave(angle: float) -> NDArray[np.float64]:
        harmonics = {1: 1.0, 3: 0.01, 5: 0.025, 7: 0.015, 11: 0.008, 13: 0.005}
        total = sum(share * np.sin(2 * np.pi * 50 * h * t + h * angle) for h, share in harmonics.items())
        return amplitude * total + rng.normal(0, 130, len(t))

    angles = ((0.0, 0.3, 0.9), (2.1, 2.4), (4.2, 4.5))
    return [np.rint(np.stack([wave(angle) for angle in chip], axis=1)).astype(np.int32) for chip in angles]


def test_line_load_at_921600_baud_stays_under_80_percent() -> None:
    chips = mains(1.5e6, 2)
    size = 0
    for chip, counts in enumerate(chips):
        payloads = encode_blocks(chip, 0, [0] * 100, 0, counts.reshape(100, 80, -1), Coding.DIFFERENCE)
        size += sum(len(encode_frame(Kind.SAMPLES, payload)) for payload in payloads)
    assert size / 2 * 10 / 921_600 < 0.80


@cache
def make_stream(coding: Coding) -> tuple[list[bytes], dict[int, Counts]]:
    """Payloads of one second of three chips as they come over the line, and what they hold."""
    chips = dict(enumerate(mains(1.5e6, 1)))
    coded = [
        encode_blocks(chip, 0, [20_000 * i for i in range(50)], 0, counts.reshape(50, 80, -1), coding)
        for chip, counts in chips.items()
    ]
    return [payload for together in zip(*coded, strict=True) for payload in together], chips


def new_decoder() -> SampleDecoder:
    return SampleDecoder(dict.fromkeys(range(3), 4000.0), {0: 3, 1: 2, 2: 2})


@pytest.mark.parametrize("coding", list(Coding))
@pytest.mark.parametrize("batch", [1, 7, 150])
def test_a_stream_of_three_chips(coding: Coding, batch: int) -> None:
    payloads, chips = make_stream(coding)
    decoder = new_decoder()
    blocks = [b for i in range(0, len(payloads), batch) for b in decoder.decode(payloads[i : i + batch], 1)]
    assert [block.chip for block in blocks] == [0, 1, 2] * 50
    for chip, counts in chips.items():
        mine = [block for block in blocks if block.chip == chip]
        assert [block.first_index for block in mine] == list(range(0, 4000, 80))
        assert np.array_equal(np.concatenate([block.counts for block in mine]), counts)
    assert (decoder.blocks, decoder.blocks_repeated, decoder.blocks_bad, decoder.samples_missing) == (150, 0, 0, 0)


@settings(deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from(Coding))
def test_repeated_missing_and_swapped_blocks_are_counted(rng: random.Random, coding: Coding) -> None:
    payloads, chips = make_stream(coding)
    sent: list[bytes] = []
    for payload in payloads:
        fate = rng.random()
        sent += [] if fate < 0.1 else [payload, payload] if fate < 0.2 else [payload]
        if fate > 0.95 and len(sent) > 4:
            sent.append(sent[-4])
    decoder = new_decoder()
    blocks: list[SampleBlock] = []
    total = len(sent)
    while sent:
        n = rng.randrange(1, 40)
        blocks += decoder.decode(sent[:n], 1)
        del sent[:n]
    missing = 0
    for chip, counts in chips.items():
        expected = None
        for block in (block for block in blocks if block.chip == chip):
            assert expected is None or block.first_index >= expected
            missing += 0 if expected is None else block.first_index - expected
            expected = block.first_index + 80
            assert np.array_equal(block.counts, counts[block.first_index : expected])
    assert counters(decoder) == (len(blocks), total - len(blocks), 0, missing)


def block_at(index: int, samples: int = 80, *, chip: int = 0, time_us: int = 0, left_out: int = 0) -> bytes:
    return encode_samples(chip, index, time_us, left_out, np.full((samples, 1), index % 1000, np.int32), Coding.RAW24)


def counters(decoder: SampleDecoder) -> tuple[int, int, int, int]:
    return decoder.blocks, decoder.blocks_repeated, decoder.blocks_bad, decoder.samples_missing


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        ((0, 80, 160), (3, 0, 0, 0)),
        ((4000, 4080), (2, 0, 0, 0)),  # the first block may stand anywhere
        ((0, 80, 80, 160), (3, 1, 0, 0)),
        ((0, 80, 0, 160), (3, 1, 0, 0)),
        ((0, 40, 80), (2, 1, 0, 0)),  # overlaps
        ((0, 160, 240), (3, 0, 0, 80)),
        ((0, 160, 80, 240), (3, 1, 0, 80)),
        ((0, 2**40, 80), (2, 0, 1, 0)),  # 2^40 samples are 17 years, 10 at most
    ],
)
@pytest.mark.parametrize("batch", [1, 10])
def test_index_rules(indices: tuple[int, ...], expected: tuple[int, ...], batch: int) -> None:
    decoder = SampleDecoder({0: 2000.0}, {0: 1})
    payloads = [block_at(index) for index in indices]
    for start in range(0, len(payloads), batch):
        decoder.decode(payloads[start : start + batch], 1)
    assert counters(decoder) == expected


def test_chips_have_an_index_each() -> None:
    decoder = SampleDecoder({0: 4000.0, 1: 4000.0}, {0: 1, 1: 1})
    decoder.decode([block_at(0), block_at(8000, chip=1), block_at(80), block_at(8160, chip=1)], 1)
    assert counters(decoder) == (4, 0, 0, 80)


def test_left_out_is_the_modules_own_count() -> None:
    decoder = SampleDecoder({0: 4000.0}, {0: 1})
    decoder.decode([block_at(0, left_out=2), block_at(160, left_out=5)], 1)
    assert decoder.left_out == 5


def header(chip: int, coding: int, channels: int, samples: int, index: int = 0, time_us: int = 0) -> bytes:
    return struct.pack("<BBBHQQI", chip, coding, channels, samples, index, time_us, 0)


def small_difference() -> bytearray:
    return bytearray(encode_samples(0, 0, 0, 0, signal("sine", 80, 1, 1), Coding.DIFFERENCE))


CONTRADICTIONS = [
    b"", b"\x00", bytes(24), header(0, 0, 1, 0), header(0, 0, 1, 80), header(0, 0, 1, 80) + bytes(239),
    header(0, 0, 1, 80) + bytes(241), header(5, 0, 1, 80) + bytes(240), header(0, 2, 1, 80) + bytes(240),
    header(0, 0, 2, 80) + bytes(480), header(0, 0, 0, 80), header(0, 0, 1, MAX_SAMPLES + 1) + bytes(2403),
    header(0, 0, 1, 80, 2**63) + bytes(240), header(0, 0, 1, 80, 0, 2**63) + bytes(240),
    header(0, 1, 1, 4) + bytes(13), header(0, 1, 1, 80), header(0, 1, 1, 80) + bytes(17),
    header(0, 1, 1, 80) + b"\x05" + bytes(17), header(0, 1, 1, 80) + bytes(13) + b"\x19" + bytes(54),
    bytes(small_difference()[:-1]), bytes(small_difference()) + b"\x00",
    # order 2, warm-up ends rising by 2^23 - 1 a sample: the sums leave 24 bits
    header(0, 1, 1, 5) + b"\x02" + bytes(9) + b"\xff\xff\x7f" + b"\x00",
]  # fmt: skip


@pytest.mark.parametrize("payload", CONTRADICTIONS)
def test_a_block_that_contradicts_itself_is_bad_and_harms_no_other(payload: bytes) -> None:
    decoder = SampleDecoder({0: 4000.0}, {0: 1})
    good = [bytes(small_difference()), block_at(80), block_at(160)]
    blocks = decoder.decode([good[0], payload, *good[1:]], 1)
    assert [block.first_index for block in blocks] == [0, 80, 160]
    assert np.array_equal(blocks[0].counts, signal("sine", 80, 1, 1))
    assert counters(decoder) == (3, 0, 1, 0)
    alone = SampleDecoder({0: 4000.0}, {0: 1})
    assert alone.decode([payload], 1) == []
    assert counters(alone) == (0, 0, 1, 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300) | st.binary(max_size=120).map(lambda b: header(0, 1, 1, 20) + b), max_size=6))
def test_garbage_is_never_an_exception(payloads: list[bytes]) -> None:
    decoder = SampleDecoder({0: 4000.0}, {0: 1})
    blocks = decoder.decode(payloads, 1)
    assert decoder.blocks + decoder.blocks_repeated + decoder.blocks_bad == len(payloads)
    for block in blocks:
        assert block.counts.min() >= LOW
        assert block.counts.max() <= HIGH


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 255)), min_size=1, max_size=5))
def test_a_mutated_block_is_bad_or_what_the_document_says(changes: list[tuple[int, int]]) -> None:
    payload = small_difference()
    for place, value in changes:
        payload[HEADER_SIZE + place % (len(payload) - HEADER_SIZE)] = value
    decoder = SampleDecoder({0: 4000.0}, {0: 1})
    for block in decoder.decode([bytes(payload)], 1):
        body = bytes(payload[HEADER_SIZE:])
        used = sum(width * (16 if i < 4 else 12) for i, width in enumerate(body[13:18]))
        bits = int.from_bytes(body[18:], "little") & ((1 << used) - 1)  # the filling bits mean nothing
        clean = body[:18] + bits.to_bytes(len(body) - 18, "little")
        assert block.counts.tolist() == reference_difference(clean, 80, 1)


def test_one_flipped_bit_in_a_stream_costs_one_block_and_no_sample_is_wrong() -> None:
    payloads, chips = make_stream(Coding.DIFFERENCE)
    stream = b"".join(encode_frame(Kind.SAMPLES, payload) for payload in payloads[:12])
    rng = random.Random(11)
    for bit in rng.sample(range((len(stream) - 1) * 8), 400):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        deframer, decoder = Deframer(), new_decoder()
        blocks = decoder.decode([payload for _, payload in deframer.feed(bytes(damaged))], 1)
        assert len(blocks) == 11
        assert deframer.frames_damaged == 1
        for block in blocks:
            assert np.array_equal(block.counts, chips[block.chip][block.first_index : block.first_index + 80])


@pytest.mark.parametrize(
    ("shape", "value"),
    [((0, 1), 0), ((801, 1), 0), ((80, 4), 0), ((80, 0), 0), ((80, 1), HIGH + 1), ((80, 1), LOW - 1)],
)
def test_samples_that_do_not_fit_are_refused(shape: tuple[int, int], value: int) -> None:
    with pytest.raises(ValueError, match=r"blocks of|24 bits"):
        encode_samples(0, 0, 0, 0, np.full(shape, value, np.int32), Coding.RAW24)


def test_header_fields_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="header"):
        encode_samples(256, 0, 0, 0, np.zeros((80, 1), np.int32), Coding.RAW24)
