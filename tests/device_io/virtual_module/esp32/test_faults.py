"""Faults by name."""

import pytest

from device_io.virtual_module.esp32.faults import BoardFaults, parse_all_faults, parse_board_faults
from device_io.virtual_module.faults import NO_FAULTS, FaultError, Interval


def test_all_of_them():
    text = (
        "flash-unplug@100, flash-stall@0x20,flash-drop@7,flash-write-error@0x10000,flash-write-error@5,worn@4096,"
        "flash-wrong-digest,secure-boot,flash-encryption,esp32-c3"
    )
    assert parse_board_faults(text) == BoardFaults((100,), (32,), (7,), (0x10000, 5), (4096,), True, 2, True, True)
    assert parse_board_faults("secure-boot-v1").secure_boot == 1
    assert parse_board_faults("flash-unplug@9:0.5") == BoardFaults(unplug=(9,), unplug_s=0.5)
    assert parse_board_faults("") == BoardFaults()


def test_together_with_those_of_the_line():
    line, board = parse_all_faults("unplug@1:2, worn@0, drop=0.5, flash-stall@3")
    assert (line.unplug, line.drop) == ((Interval(1.0, 2.0),), 0.5)
    assert board == BoardFaults(worn=(0,), stall=(3,))
    assert parse_all_faults("worn@1") == (NO_FAULTS, BoardFaults(worn=(1,)))
    assert parse_all_faults("") == (NO_FAULTS, BoardFaults())


@pytest.mark.parametrize(
    "text",
    ["flash-unplug", "flash-unplug@", "flash-unplug@-1", "worn@x", "worn@5:1", "flash-unplug@5:0", "flash-unplug@5:x",
     "secure-boot-v3", "flash-nothing", "esp32-s9", "flash-stall@1e3"],
)  # fmt: skip
def test_what_is_not_understood_says_how_to_write_it(text):
    with pytest.raises(FaultError, match=r"Write faults of the board as .*esp32-c3\."):
        parse_all_faults(text)


def test_others_are_left_to_the_line():
    with pytest.raises(FaultError, match="unplug@S"):
        parse_all_faults("worn@1,nonsense")
