"""Faults of the RS485 line as text, and what they do to replies."""

from __future__ import annotations

import pytest

from device_io.virtual_module.faults import FaultError, Interval
from device_io.virtual_module.rtu_faults import RtuFaults, Spoiler, parse_rtu_faults, split_faults
from device_io.virtual_module.rtu_slave import framed, intact

REPLY = framed(bytes.fromhex("01 04 04 00 03 82 70"))


def test_all_of_them_can_be_written():
    text = (
        "rtu-off@1:2, rtu-off@9,rtu-unplug@4,rtu-late@400=0.1,rtu-late@50=1,rtu-bad-crc=0.2,rtu-short=0.3,"
        "rtu-noise=0.4,rtu-wrong-unit=0.5,rtu-exception=0.6,rtu-lost=1"
    )
    assert parse_rtu_faults(text) == RtuFaults(
        off=(Interval(1.0, 2.0), Interval(9.0, 3.0)),
        unplug=(Interval(4.0, 3.0),),
        late=((0.1, 0.4), (1.0, 0.05)),
        bad_crc=0.2,
        short=0.3,
        noise=0.4,
        wrong_unit=0.5,
        exception=0.6,
        lost=1.0,
    )
    assert parse_rtu_faults("") == RtuFaults()


@pytest.mark.parametrize(
    "text",
    ["rtu-bad-crc", "rtu-bad-crc=2", "rtu-late@x=1", "rtu-late@-1=1", "rtu-off@1:0", "drop=0.1", "rtu-short=nan"]
    + ["rtu-lost=0.1,rtu-lost=0.2"],
)
def test_what_is_none_gets_one_sentence(text: str):
    with pytest.raises(FaultError) as caught:
        parse_rtu_faults(text)
    assert "\n" not in str(caught.value)


def test_faults_of_both_ports_are_told_apart():
    assert split_faults("drop=0.1, rtu-lost=0.5,unplug@3") == ("drop=0.1,unplug@3", "rtu-lost=0.5")
    assert split_faults("") == ("", "")


def test_each_does_what_it_says():
    def spoilt(**faults: float) -> bytes:
        return Spoiler(RtuFaults(**faults), 3).spoilt(REPLY)[1]

    assert spoilt() == REPLY
    assert spoilt(lost=1.0) == b""
    assert spoilt(exception=1.0) == framed(bytes.fromhex("01 84 06"))
    assert spoilt(wrong_unit=1.0) == framed(bytes.fromhex("02 04 04 00 03 82 70"))
    assert not intact(spoilt(bad_crc=1.0))
    assert len(spoilt(short=1.0)) < len(REPLY)
    assert REPLY in spoilt(noise=1.0) != REPLY
    assert Spoiler(RtuFaults(late=((1.0, 0.25),))).spoilt(REPLY) == (0.25, REPLY)
