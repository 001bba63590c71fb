"""SLIP framing."""

from hypothesis import given
from hypothesis import strategies as st

from device_io.virtual_module.esp32.slip import MAX_FRAME, SlipDecoder, slip_frame


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6), st.integers(1, 40))
def test_frames_survive_any_division(frames, step):
    stream = b"".join(slip_frame(frame) for frame in frames)
    decoder = SlipDecoder()
    got = [frame for at in range(0, len(stream), step) for frame in decoder.feed(stream[at : at + step])]
    assert got == frames


def test_known_bytes():
    assert slip_frame(b"\x01\xc0\x02\xdb\x03") == bytes.fromhex("c001dbdc02dbdd03c0")


def test_noise_and_damaged_frames_are_dropped():
    decoder = SlipDecoder()
    assert decoder.feed(b"boot text" + slip_frame(b"one")) == [b"one"]
    assert decoder.feed(b"\xc0bad\xdb\x01\xc0") == []
    assert decoder.feed(b"\xc0" * 7 + slip_frame(b"two")) == [b"two"]
    assert decoder.feed(b"\xc0" + bytes(MAX_FRAME + 1) + b"\xc0") == []
    assert decoder.feed(b"\xc0" + slip_frame(b"three")) == [b"three"]
