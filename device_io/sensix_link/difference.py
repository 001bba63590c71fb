"""Lossless difference coding of sample blocks; docs/link-protocol.md section 7.

A channel of a block is predicted by a polynomial of order 0..4 (the prediction of order p is exact for polynomials of
degree p - 1), its residuals are the p-th differences. They are zigzag-mapped and packed in groups of 16 with one bit
width a group. A sender needs integer additions and shifts only; here all blocks of a batch are done at once.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

WARM_UP = 4
"""First samples of a block that are sent raw."""
GROUP = 16
MAX_ORDER = 4
MAX_WIDTH = 24
"""Order 0 never needs more; a higher order that does is not chosen."""
MAX_COUNT = 2**23 - 1
MIN_COUNT = -(2**23)

_POWERS = 2 ** np.arange(32, dtype=np.int64)  # bit width of v = number of powers <= v
_MASKS = (2 ** np.arange(MAX_WIDTH + 1, dtype=np.int64) - 1).astype(np.uint32)
_IN_GROUP = np.arange(GROUP, dtype=np.int32)[:, None]
_LEVELS = np.arange(MAX_ORDER, dtype=np.uint8)
# Of four samples: the last one, and the last of their first, second and third differences.
_LAST_DIFFERENCES = np.array([[0, 0, 0, 1], [0, 0, -1, 1], [0, 1, -2, 1], [-1, 3, -3, 1]], np.int32)
_BITS = np.arange(MAX_WIDTH, dtype=np.uint8)
_SLACK = bytes(GROUP * MAX_WIDTH // 8 + 4)  # what the padding of a last group may read beyond the data


def encode_raw(counts: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Bytes of samples [..., channels] in 24-bit two's complement, little-endian: uint8 [..., channels * 3]."""
    octets = np.ascontiguousarray(counts, dtype="<i4").view(np.uint8)
    return octets.reshape(*counts.shape, 4)[..., :3].reshape(*counts.shape[:-1], -1)


def decode_raw(rows: bytes, row_size: int, offset: int, count: int) -> NDArray[np.int32]:
    """Inverse of `encode_raw`: `count` samples from `offset` (1 at least) of every row of `row_size` bytes.

    Returns int32 [rows, count], sign-extended.
    """
    # Each sample is read together with the byte before it, which ">> 8" drops again, extending the sign.
    shape, strides = (len(rows) // row_size, count), (row_size, 3)
    words = np.ndarray(shape, "<i4", buffer=rows, offset=offset - 1, strides=strides).copy()
    words >>= 8
    return words.astype(np.int32, copy=False)


def encode_difference(counts: NDArray[np.int32]) -> list[bytes]:
    """Coded bodies of blocks int32 [blocks, samples > 4, channels], each within 24 bits."""
    blocks, samples, channels = counts.shape
    lengths = _group_lengths(samples)
    groups = len(lengths)
    by_channel = np.ascontiguousarray(counts.transpose(0, 2, 1)).reshape(blocks * channels, samples)
    zigzag = np.zeros((MAX_ORDER + 1, blocks * channels, groups * GROUP), np.int32)
    difference = by_channel
    for order in range(MAX_ORDER + 1):
        if order:
            difference = np.diff(difference, axis=1)
        residual = difference[:, WARM_UP - order :]
        zigzag[order, :, : samples - WARM_UP] = (residual << 1) ^ (residual >> 31)
    grouped = zigzag.reshape(MAX_ORDER + 1, -1, groups, GROUP)
    widths = np.searchsorted(_POWERS, grouped.max(axis=3), side="right").astype(np.uint8)
    bits = widths @ lengths
    bits[widths.max(axis=2) > MAX_WIDTH] = np.iinfo(np.int64).max
    orders = bits.argmin(axis=0)
    streams = np.arange(len(orders))
    widths = widths[orders, streams]
    head = np.concatenate(
        (
            orders.astype(np.uint8).reshape(blocks, channels),
            encode_raw(counts[:, :WARM_UP]).reshape(blocks, -1),
            widths.reshape(blocks, -1),
        ),
        axis=1,
    )
    # One row a block: its residuals, and a value of no content that fills the last byte.
    used = bits[orders, streams].reshape(blocks, channels).sum(axis=1)
    fill = -used % 8
    values = np.zeros((blocks, channels * (samples - WARM_UP) + 1), "<u4")
    values[:, :-1] = zigzag[orders, streams, : samples - WARM_UP].reshape(blocks, -1)
    value_widths = np.empty(values.shape, np.uint8)
    value_widths[:, :-1] = np.repeat(widths, lengths, axis=1).reshape(blocks, -1)
    value_widths[:, -1] = fill
    octets = values.view(np.uint8).reshape(-1, 4)[:, :3]
    unpacked = np.unpackbits(octets, axis=1, bitorder="little")
    packed = np.packbits(unpacked[value_widths.reshape(-1, 1) > _BITS], bitorder="little").tobytes()
    ends = np.cumsum((used + fill) // 8).tolist()
    return [row.tobytes() + packed[start:end] for row, start, end in zip(head, [0, *ends], ends, strict=False)]


def decode_difference(bodies: list[bytes], samples: int, channels: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Inverse of `encode_difference` for bodies of one shape (samples > WARM_UP).

    Returns int32 [blocks, samples, channels] and bool [blocks]: False where a body contradicts itself (its samples
    are then meaningless).
    """
    lengths = _group_lengths(samples)
    head_size = channels * (1 + 3 * WARM_UP + len(lengths))
    heads = b"".join([body[:head_size].ljust(head_size, b"\xff") for body in bodies])
    head = np.frombuffer(heads, np.uint8).reshape(-1, head_size)
    orders = head[:, :channels]
    widths = head[:, -channels * len(lengths) :].reshape(len(bodies), channels, -1)
    group_bits = (widths * lengths).reshape(len(bodies), -1)
    ends = group_bits.cumsum(axis=1)
    sizes = np.array([len(body) for body in bodies])
    right_size = sizes == head_size + ((ends[:, -1] + 7) >> 3)
    counts = np.zeros((len(bodies), channels, samples), np.int32)
    if right_size.all() and orders.max() <= MAX_ORDER and widths.max() <= MAX_WIDTH:
        good = right_size
        first_bits = ends - group_bits + ((sizes.cumsum() - sizes + head_size) << 3)[:, None]
        # Streams of one order lie side by side while they are summed up.
        by_order = orders.argsort(axis=None, kind="stable")
        residuals = _unpack_residuals(
            b"".join(bodies), first_bits.reshape(-1, len(lengths))[by_order], widths.reshape(-1, len(lengths))[by_order]
        )[: samples - WARM_UP]
        first = decode_raw(heads, head_size, channels, WARM_UP * channels).reshape(-1, WARM_UP, channels)
        warm_up = first.transpose(1, 0, 2).reshape(WARM_UP, -1)[:, by_order]
        _sum_up(residuals, warm_up, orders.reshape(-1)[by_order])
        streams = counts.reshape(-1, samples)
        streams[by_order, :WARM_UP] = warm_up.T
        streams[by_order, WARM_UP:] = residuals.T
        if counts.max() > MAX_COUNT or counts.min() < MIN_COUNT:
            good = (counts.max(axis=(1, 2)) <= MAX_COUNT) & (counts.min(axis=(1, 2)) >= MIN_COUNT)
    else:
        good = right_size & (orders.max(axis=1) <= MAX_ORDER) & (widths.max(axis=(1, 2)) <= MAX_WIDTH)
        if good.any():
            kept = np.flatnonzero(good)
            sound, good[kept] = decode_difference([bodies[i] for i in kept.tolist()], samples, channels)
            counts[kept] = sound.transpose(0, 2, 1)
    return counts.transpose(0, 2, 1), good


@cache
def _group_lengths(samples: int) -> NDArray[np.int64]:
    """Residuals in each group of a channel."""
    residuals = samples - WARM_UP
    lengths = np.full(-(-residuals // GROUP), GROUP, np.int64)
    lengths[-1] -= -residuals % GROUP
    lengths.flags.writeable = False
    return lengths


def _unpack_residuals(data: bytes, first_bits: NDArray[np.int64], widths: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Residuals int32 [groups * 16, streams] of groups [streams, groups] that begin at these bits (below 2^31).

    What lies behind the end of a short last group is meaningless.
    """
    data += _SLACK
    # A value lies within 32 bits from its first byte (7 + 24 at most): a word from every byte, one of them a value.
    words = np.ndarray((len(data) - 3,), "<u4", buffer=data, strides=(1,)).astype(np.uint32)
    # Half the memory, and streams side by side, make this three times as fast as int64 as it comes.
    by_group = widths.T.astype(np.int32, order="C")[:, None, :]
    bits = by_group * _IN_GROUP
    bits += first_bits.T.astype(np.int32, order="C")[:, None, :]
    zigzag = words.take(bits >> 3)
    bits &= 7
    zigzag >>= bits.view(np.uint32)
    zigzag &= _MASKS.take(by_group)
    sign = zigzag & 1
    zigzag >>= 1
    zigzag ^= np.negative(sign, out=sign)
    return zigzag.view(np.int32).reshape(-1, zigzag.shape[2])


def _sum_up(residuals: NDArray[np.int32], warm_up: NDArray[np.int32], orders: NDArray[np.uint8]) -> None:
    """Turn differences [samples, streams] of these orders (ascending) into samples, in place.

    int32 wraps on nonsense only, and never unseen: the first sample that leaves 24 bits still fits into 28.
    """
    last_differences = _LAST_DIFFERENCES @ warm_up
    starts = orders.searchsorted(_LEVELS, side="right").tolist()
    for level in range(MAX_ORDER - 1, -1, -1):
        values = residuals[:, starts[level] :]
        if values.size:
            values[0] += last_differences[level, starts[level] :]
            np.add.accumulate(values, axis=0, out=values)
