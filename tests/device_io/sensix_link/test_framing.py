"""Whatever comes over the line: no exception, no wrong frame, everything counted, in step again after one frame."""

from __future__ import annotations

import random
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_io.sensix_link.framing import DELIMITER, MARKER, MAX_LINE, MAX_LINES, MAX_PAYLOAD, Deframer, encode_frame
from device_io.sensix_link.messages import Kind

kinds = st.sampled_from([int(kind) for kind in Kind])
payloads = st.binary(max_size=60) | st.lists(st.sampled_from([b"\xc0", b"\xdb", b"\xdc", b"\xdd", b"\n"])).map(b"".join)
frames = st.tuples(kinds, payloads)
lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)
cuts = st.lists(st.integers(0, 10_000), max_size=12)

STEADY = [(Kind.PROBE, bytes([i, 0xC0, 0xDB, 0x0A]) + b"text\n" * (i % 3)) for i in range(5)]


def reference_decode(segment: bytes) -> tuple[int, bytes] | None:
    """The rules of the document, byte by byte."""
    out, escaped = bytearray(), False
    for byte in segment:
        if escaped:
            if byte not in (0xDC, 0xDD):
                return None
            out.append({0xDC: 0xC0, 0xDD: 0xDB}[byte])
            escaped = False
        elif byte == 0xDB:
            escaped = True
        else:
            out.append(byte)
    if escaped or len(out) < 6 or out[0] != MARKER or len(out) - 6 > MAX_PAYLOAD:
        return None
    if zlib.crc32(out[:-4]) != int.from_bytes(out[-4:], "little"):
        return None
    return out[1], bytes(out[2:-4])


def feed_split(deframer: Deframer, data: bytes, at: list[int]) -> list[tuple[int, bytes]]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [frame for a, b in pairwise(places) for frame in deframer.feed(data[a:b])]


def outcome(data: bytes, at: list[int]) -> tuple[object, ...]:
    deframer = Deframer()
    got = feed_split(deframer, data, at)
    return got, deframer.take_text(), deframer.frames_good, deframer.frames_damaged, deframer.text_bytes


@settings(deadline=None)
@given(st.lists(frames, max_size=8), cuts)
def test_frames_arrive_however_they_are_split(sent: list[tuple[int, bytes]], at: list[int]) -> None:
    deframer = Deframer()
    assert feed_split(deframer, b"".join(encode_frame(*frame) for frame in sent), at) == sent
    assert (deframer.frames_good, deframer.frames_damaged, deframer.text_bytes) == (len(sent), 0, 0)


@settings(deadline=None)
@given(st.lists(st.tuples(lines, frames), max_size=6), cuts)
def test_text_between_frames_is_text_and_not_damage(parts: list[tuple[str, tuple[int, bytes]]], at: list[int]) -> None:
    deframer = Deframer()
    data = b"".join(line.encode() + b"\r\n" + encode_frame(*frame) for line, frame in parts)
    assert feed_split(deframer, data, at) == [frame for _, frame in parts]
    assert deframer.take_text() == [line.rstrip() for line, _ in parts if line.rstrip()]
    assert deframer.frames_damaged == 0


@settings(deadline=None)
@given(st.binary(max_size=400), cuts)
def test_garbage_gives_only_intact_frames_and_the_next_frame_is_good(garbage: bytes, at: list[int]) -> None:
    deframer = Deframer()
    got = feed_split(deframer, garbage, at)
    assert got == [frame for part in garbage.split(b"\xc0")[:-1] if (frame := reference_decode(part))]
    follow = deframer.feed(encode_frame(*STEADY[0]))
    assert follow[-1:] == [STEADY[0]]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([*(bytes([code]) for code in b"\xc0\xdb\xdc\xdd\xfa\x01\n\xff\x80"), b"some text, "])),
    cuts,
)
def test_result_does_not_depend_on_the_splits(pieces: list[bytes], at: list[int]) -> None:
    data = b"".join(pieces) + encode_frame(*STEADY[0])
    assert outcome(data, at) == outcome(data, [])


def test_result_does_not_depend_on_the_splits_when_long() -> None:
    rng = random.Random(4)
    for _ in range(30):
        data = b"".join(
            rng.choice([
                rng.randbytes(rng.randrange(3000)), b"x" * rng.randrange(4000), b"word\n" * rng.randrange(600),
                b"\xfa" + b"\x00" * rng.randrange(20_000), encode_frame(6, rng.randbytes(700)), b"\xc0", b"\n",
            ])
            for _ in range(12)
        )  # fmt: skip
        whole = outcome(data, [])
        assert outcome(data, [rng.randrange(len(data) + 1) for _ in range(50)]) == whole
        assert outcome(data, list(range(0, len(data), 61))) == whole


@pytest.mark.parametrize("damaged", [False, True])
def test_large_reads_full_of_escapes_keep_to_the_rules(damaged: bool) -> None:
    """Many segments in one read, with every kind of escape; damaged: also with escapes that mean nothing."""
    rng = random.Random(9)
    special = b"\xc0\xdb\xdc\xdd\xfa\n"
    for _ in range(40):
        sent = [(6, bytes(rng.choice(special) for _ in range(rng.randrange(200)))) for _ in range(60)]
        data = b"".join(encode_frame(*frame) for frame in sent)
        if damaged:
            octets = bytearray(data)
            for _ in range(rng.randrange(1, 6)):
                octets[rng.randrange(len(octets))] = rng.choice(special)
            data = bytes(octets)
        got = Deframer().feed(data)
        assert got == [frame for part in data.split(b"\xc0")[:-1] if (frame := reference_decode(part))]
        assert damaged or got == sent
        assert outcome(data, []) == outcome(data, [rng.randrange(len(data)) for _ in range(9)])
        cut = data.index(b"\xdb", len(data) // 2) + 1  # a read that ends between the two bytes of an escape
        assert outcome(data, [cut]) == outcome(data, [])


@pytest.mark.parametrize("byte_by_byte", [False, True])
def test_one_flipped_bit_anywhere_costs_at_most_one_frame_and_is_counted_once(byte_by_byte: bool) -> None:
    stream = b"".join(encode_frame(*frame) for frame in STEADY)
    for bit in range(len(stream) * 8):
        damaged = bytearray(stream)
        damaged[bit // 8] ^= 1 << bit % 8
        deframer = Deframer()
        got = feed_split(deframer, bytes(damaged), list(range(len(damaged))) if byte_by_byte else [])
        missing = [frame for frame in STEADY if frame not in got]
        assert [frame for frame in STEADY if frame in got] == got
        assert len(missing) == 1
        # Without the last delimiter the last frame is not finished: neither good nor damaged yet.
        assert deframer.frames_damaged == (0 if bit // 8 == len(stream) - 1 else 1)


@settings(deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=5), st.data())
def test_cut_out_bytes_cost_only_the_frames_they_belong_to(bodies: list[bytes], data: st.DataObject) -> None:
    sent = [(int(Kind.PROBE), bytes([number]) + body) for number, body in enumerate(bodies)]
    encoded = [encode_frame(*frame) for frame in sent]
    stream = b"".join(encoded)
    start = data.draw(st.integers(0, len(stream) - 1))
    stop = data.draw(st.integers(start + 1, len(stream)))
    deframer = Deframer()
    got = deframer.feed(stream[:start] + stream[stop:])
    position, untouched = 0, []
    for frame, code in zip(sent, encoded, strict=True):
        if position + len(code) <= start or position >= stop:
            untouched.append(frame)
        position += len(code)
    # A frame that lost no more than its delimiters may still be whole.
    assert [frame for frame in got if frame in untouched] == untouched
    assert [frame for frame in sent if frame in got] == got


def test_memory_is_bounded_and_the_line_recovers() -> None:
    for flood in (b"\xfa" + b"\x00" * 999, b"x" * 1000, b"\n" * 1000, b"line\n" * 200, b"\x00" * 1000, b"\xc0" * 1000):
        deframer = Deframer()
        for _ in range(3000):
            assert deframer.feed(flood) == []
            assert len(deframer._open) <= 2 * (MAX_PAYLOAD + 6) + len(flood)
        assert deframer.frames_damaged <= 1
        assert deframer.feed(encode_frame(*STEADY[1]))[-1:] == STEADY[1:2]
        assert len(deframer.take_text()) <= MAX_LINES


def test_too_long_a_frame_is_damage_however_it_arrives() -> None:
    body = bytes([MARKER, 6]) + b"\x00" * (MAX_PAYLOAD + 1)
    body += zlib.crc32(body).to_bytes(4, "little")
    data = b"\xc0" + body + b"\xc0"
    for at in ([], list(range(0, len(data), 100))):
        deframer = Deframer()
        assert feed_split(deframer, data + encode_frame(*STEADY[0]), at) == STEADY[:1]
        assert deframer.frames_damaged == 1


def test_largest_frame_passes() -> None:
    for payload in (b"\xc0" * MAX_PAYLOAD, b"\xdb" * MAX_PAYLOAD, bytes(MAX_PAYLOAD)):
        deframer = Deframer()
        assert feed_split(deframer, encode_frame(6, payload), list(range(0, 17_000, 7))) == [(6, payload)]


@pytest.mark.parametrize(("kind", "payload"), [(-1, b""), (256, b""), (1, bytes(MAX_PAYLOAD + 1))])
def test_what_does_not_fit_in_a_frame_is_refused(kind: int, payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"fit|longer"):
        encode_frame(kind, payload)


def test_delimiter_and_marker_never_occur_in_utf8() -> None:
    encoded = set("".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)])).encode())
    assert not {DELIMITER, MARKER} & encoded


def test_lines_are_finished_by_line_feed_or_delimiter_only() -> None:
    deframer = Deframer()
    deframer.feed(b"rst:0x1 (POW")
    assert deframer.take_text() == []
    deframer.feed(b"ERON)\r\n\r\nnext")
    assert deframer.take_text() == ["rst:0x1 (POWERON)"]
    deframer.feed(encode_frame(*STEADY[0]))
    assert deframer.take_text() == ["next"]
    assert deframer.take_text() == []
    assert deframer.frames_damaged == 0


def test_text_that_is_not_utf8_and_long_lines() -> None:
    deframer = Deframer()
    deframer.feed(b"caf\xe9\n" + b"y" * (2 * MAX_LINE + 5) + b"\n")
    assert deframer.take_text() == ["caf\ufffd", "y" * MAX_LINE, "y" * MAX_LINE, "yyyyy"]
    assert deframer.frames_damaged == 0


def test_terminal_codes_do_not_reach_the_user() -> None:
    deframer = Deframer()
    deframer.feed(b"\x1b[0;31mE (1) x: bad\x1b[0m\x07\x1b]0;title\x07\n")
    assert deframer.take_text() == ["E (1) x: bad]0;title"]
