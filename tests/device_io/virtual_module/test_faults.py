"""The parser of `--fault`, and what the faults do to bytes."""

import numpy as np
import pytest

from device_io.virtual_module.faults import FaultError, Faults, Interval, parse_faults
from device_io.virtual_module.transmitter import Transmitter


def test_all_faults_at_once():
    faults = parse_faults("unplug@5,drop=0.01, corrupt=1e-4,stall@2.5:0.5,unplug@20:1")
    assert faults == Faults((Interval(5.0, 3.0), Interval(20.0, 1.0)), (Interval(2.5, 0.5),), 0.01, 1e-4)
    assert faults.unplug[0].holds(7.9)
    assert not faults.unplug[0].holds(8.0)
    assert parse_faults("") == Faults()


@pytest.mark.parametrize(
    "text",
    ["unplug", "unplug@", "unplug@x", "unplug@-1", "stall@1:0", "stall@1:-2", "drop=2", "drop=-0.1", "drop=nan",
     "corrupt=1e999", "drop", "drop=", "drop=0.1,drop=0.2", "explode@3", "unplug@1:2:3", "=", "stall@1..2"],
)  # fmt: skip
def test_anything_else_is_one_clear_sentence(text):
    with pytest.raises(FaultError) as caught:
        parse_faults(text)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")


def _sent(faults, frames, seconds=100.0):
    out = []
    transmitter = Transmitter(lambda data: out.append(data) or len(data), 2_000_000, faults)
    for frame in frames:
        transmitter.send_reply(frame)
        transmitter.run(seconds)
    return out


def test_drop_loses_whole_frames_at_its_rate():
    frames = [bytes([n % 256]) * 20 for n in range(4000)]
    arrived = b"".join(_sent(Faults(drop=0.25), frames))
    assert len(arrived) % 20 == 0
    assert len(arrived) / 20 / 4000 == pytest.approx(0.75, abs=0.03)


def test_corrupt_flips_one_bit_of_a_byte_at_its_rate():
    data = bytes(range(256)) * 40
    arrived = b"".join(_sent(Faults(corrupt=0.05), [data] * 10))
    difference = np.frombuffer(arrived, np.uint8) ^ np.frombuffer(data * 10, np.uint8)
    hit = difference[difference != 0]
    assert len(hit) / len(difference) == pytest.approx(0.05, abs=0.005)
    assert all(int(value).bit_count() == 1 for value in hit)


def test_bytes_leave_at_the_pace_of_the_baud_and_replies_first():
    out = bytearray()
    transmitter = Transmitter(lambda data: out.extend(data) or len(data), 115_200)
    assert transmitter.send_samples([b"s" * 1000, b"t" * 1000])
    transmitter.run(0.01)
    assert len(out) == pytest.approx(115.2, abs=1)
    transmitter.send_reply(b"r" * 10)
    for _ in range(100):
        transmitter.run(0.01)
    assert bytes(out) == b"s" * 1000 + b"r" * 10 + b"t" * 1000
    transmitter.run(10.0)
    out.clear()
    transmitter.send_reply(b"x" * 1000)
    transmitter.run(0.01)
    assert len(out) == pytest.approx(115.2, abs=1)  # idle time is not saved up


def test_a_full_queue_takes_whole_slots_or_none():
    transmitter = Transmitter(lambda data: 0, 115_200)
    taken = [transmitter.send_samples([b"a" * 700, b"b" * 700, b"c" * 700]) for _ in range(10)]
    assert taken == [True] + [False] * 9
    for _ in range(100):
        transmitter.run(0.1)
    assert not transmitter.idle  # the line takes nothing: nothing is lost, nothing grows
