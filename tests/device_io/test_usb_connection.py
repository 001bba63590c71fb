"""What a USB connection settles on: the coding that fits the line, the bauds that are tried."""

from __future__ import annotations

from device_io.sensix_link.identity import LinkOptions
from device_io.sensix_link.samples import Coding
from device_io.source import ChannelInfo, ChipInfo, ModuleInfo
from device_io.usb_connection import bauds_to_try, choose_coding


def _module(rate_hz: float) -> ModuleInfo:
    channel = ChannelInfo("V1", "V", 1.0, 1.0)
    return ModuleInfo("0" * 16, "", "3P+N", "", tuple(ChipInfo(rate_hz, (channel,) * n) for n in (3, 2, 2)))


def test_raw_samples_where_they_fit() -> None:
    options = LinkOptions((115_200, 921_600, 2_000_000, 3_000_000), (0, 1))
    assert choose_coding(_module(4000.0), options, 2_000_000) == Coding.RAW24
    assert choose_coding(_module(4000.0), options, 921_600) == Coding.DIFFERENCE
    assert choose_coding(_module(4000.0), LinkOptions((115_200,), (0,)), 921_600) == Coding.RAW24
    assert choose_coding(_module(8000.0), options, 2_000_000) == Coding.DIFFERENCE


def test_bauds_from_the_one_wanted_down() -> None:
    assert bauds_to_try(None) == [2_000_000, 921_600]
    assert bauds_to_try(3_000_000) == [3_000_000, 2_000_000, 921_600]
    assert bauds_to_try(921_600) == [921_600]
    assert bauds_to_try(115_200) == []
