"""Lossless difference coding of sample blocks; docs/link-protocol.md section 7.

A channel of a block is predicted by a polynomial of order 0..4 (the prediction of order p is exact for polynomials of
degree p - 1), its residuals are the p-th differences. They are zigzag-mapped and packed in groups of 16 with one bit
width a group. A sender needs integer additions and shifts only; here all blocks of a batch are done at once.
"""

from __future__ import annotations

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
_IN_GROUP = np.arange(GROUP, dtype=np.int64)
_BITS = np.arange(MAX_WIDTH, dtype=np.uint8)
_SLACK = bytes(GROUP * MAX_WIDTH // 8 + 4)  # what the padding of a last group may read beyond the data


def encode_raw(counts: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Bytes of samples [..., channels] in 24-bit two's complement, little-endian: uint8 [..., channels * 3]."""
    octets = np.ascontiguousarray(counts, dtype="<i4").view(np.uint8)
    return octets.reshape(*counts.shape, 4)[..., :3].reshape(*counts.shape[:-1], -1)


def decode_raw(octets: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Inverse of `encode_raw`: uint8 [k, m * 3] -> int32 [k, m], sign-extended."""
    blocks, size = octets.shape
    words = np.zeros((blocks, size // 3, 4), np.uint8)
    words[..., 1:] = octets.reshape(blocks, -1, 3)
    # ">> 8" on int32 extends the sign.
    counts: NDArray[np.int32] = (words.view("<i4")[..., 0] >> 8).astype(np.int32, copy=False)
    return counts


def encode_difference(counts: NDArray[np.int32]) -> list[bytes]:
    """Coded bodies of blocks int32 [blocks, samples > 4, channels], each within 24 bits."""
    blocks, samples, channels = counts.shape
    groups = -(-(samples - WARM_UP) // GROUP)
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
    lengths = np.full(groups, GROUP, np.int64)
    lengths[-1] = samples - WARM_UP - (groups - 1) * GROUP
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
    """Inverse of `encode_difference` for bodies of one shape.

    Returns int32 [blocks, samples, channels] and bool [blocks]: False where a body contradicts itself (its samples
    are then meaningless).
    """
    groups = max(0, -(-(samples - WARM_UP) // GROUP))
    head_size = channels * (1 + 3 * WARM_UP + groups)
    blocks = len(bodies)
    sizes = np.fromiter(map(len, bodies), np.int64, blocks)
    if samples <= WARM_UP:
        return np.zeros((blocks, samples, channels), np.int32), np.zeros(blocks, np.bool_)
    good = sizes >= head_size
    if not good.all():
        bodies = [body if len(body) >= head_size else bytes(head_size) for body in bodies]
        sizes = np.maximum(sizes, head_size)
    joined = b"".join((*bodies, _SLACK))
    data = np.frombuffer(joined, np.uint8)
    starts = np.cumsum(sizes) - sizes
    head = data[starts[:, None] + np.arange(head_size)]
    orders = head[:, :channels]
    first = decode_raw(head[:, channels : channels * (1 + 3 * WARM_UP)])
    widths = head[:, channels * (1 + 3 * WARM_UP) :].astype(np.int64)

    lengths = np.full(groups, GROUP, np.int64)
    lengths[-1] = samples - WARM_UP - (groups - 1) * GROUP
    group_bits = widths * np.tile(lengths, channels)
    ends = np.cumsum(group_bits, axis=1)
    good &= (orders <= MAX_ORDER).all(axis=1) & (widths <= MAX_WIDTH).all(axis=1)
    good &= sizes == head_size + ((ends[:, -1] + 7) >> 3)
    if not good.all():
        kept = np.flatnonzero(good)
        counts = np.zeros((blocks, samples, channels), np.int32)
        if len(kept):
            counts[kept], good[kept] = decode_difference([bodies[i] for i in kept.tolist()], samples, channels)
        return counts, good

    # Every residual lies within 32 bits from its first byte: 7 + 24 bits at most.
    starts_bits = ends - group_bits + ((starts + head_size) << 3)[:, None]
    bits = starts_bits[:, :, None] + widths[:, :, None] * _IN_GROUP
    words = np.ndarray((len(joined) - 3,), "<u4", buffer=joined, strides=(1,))
    zigzag = (words[bits >> 3] >> (bits & 7).astype(np.uint32)) & _MASKS[widths][:, :, None]
    residuals = ((zigzag >> 1) ^ -(zigzag & 1)).view(np.int32)
    by_channel = np.empty((blocks, channels, samples), np.int32)
    by_channel[:, :, :WARM_UP] = first.reshape(blocks, WARM_UP, channels).transpose(0, 2, 1)
    by_channel[:, :, WARM_UP:] = residuals.reshape(blocks, channels, -1)[:, :, : samples - WARM_UP]
    for order in range(1, MAX_ORDER + 1):
        _integrate(by_channel, orders, order)
    good = (by_channel.max(axis=(1, 2)) <= MAX_COUNT) & (by_channel.min(axis=(1, 2)) >= MIN_COUNT)
    return by_channel.transpose(0, 2, 1), good


def _integrate(by_channel: NDArray[np.int32], orders: NDArray[np.uint8], order: int) -> None:
    """Turn the differences of this order behind the warm-up of [blocks, channels, samples] into samples, in place.

    int32 arithmetic wraps, as a sender's does.
    """
    chosen = orders == order
    if not chosen.any():
        return
    rows = by_channel[chosen]
    warm_up, values = rows[:, :WARM_UP], rows[:, WARM_UP:]
    for level in range(order - 1, -1, -1):
        values[:, 0] += np.diff(warm_up, n=level, axis=1)[:, -1]
        np.cumsum(values, axis=1, dtype=np.int32, out=values)
    by_channel[chosen] = rows
