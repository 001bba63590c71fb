"""The silence before a request: kept on the wires, whatever this computer is busy with. Time is a script's, not the
clock's."""

from __future__ import annotations

import time

import pytest

from device_io.modbus import client as client_module
from device_io.modbus.client import Master
from device_io.virtual_module.rtu_slave import framed

BAUD = 115_200
CHAR_S = 10 / BAUD
GAP_S = 0.001_75
REPLY = framed(bytes([1, 4, 200]) + bytes(200))


class ScriptedLine:
    """A line and the clock. pause_s, part: what the unit waits before its reply, and after which byte it is first seen.
    late_s: how late this computer notices what was there already. writes: when requests were sent."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, late_s: float = 0.0, part: int = 50) -> None:
        self.now_s = time.monotonic()
        self.late_s, self.part = late_s, part
        self.writes: list[float] = []
        self.ends: list[float] = []
        self.chatter = False
        self._due: list[tuple[float, bytes]] = []
        monkeypatch.setattr(client_module.time, "monotonic", lambda: self.now_s)

    def write(self, data: bytes) -> None:
        self.writes.append(self.now_s)
        begin_s = self.now_s + len(data) * CHAR_S + GAP_S
        self.ends.append(begin_s + len(REPLY) * CHAR_S)
        self._due = [(begin_s + self.part * CHAR_S, REPLY[: self.part]), (self.ends[-1], REPLY[self.part :])]

    def read(self, timeout_s: float) -> bytes:
        if self.chatter:
            self.now_s += 1e-4
            return b"\x55"
        if self._due and self._due[0][0] <= self.now_s + timeout_s:
            due_s, data = self._due.pop(0)
            self.now_s = max(self.now_s, due_s) + (0.0 if self._due else self.late_s)
            return data
        self.now_s += timeout_s
        return b""

    def close(self) -> None:
        pass


def two_reads(line: ScriptedLine) -> float:
    """Silence on the wires between the first reply and the second request (s)."""
    master = Master(line, BAUD, "N")
    for _ in range(2):
        assert master.read_input(1, 0, 100) == [0] * 100
    return line.writes[1] - line.ends[0]


def test_the_gap_is_kept_after_a_reply(monkeypatch: pytest.MonkeyPatch):
    assert two_reads(ScriptedLine(monkeypatch)) == pytest.approx(GAP_S, abs=1e-6)


@pytest.mark.parametrize("part", [3, 50, 204])
def test_a_gap_that_passed_unnoticed_is_not_kept_again(monkeypatch: pytest.MonkeyPatch, part: int):
    """The end of the reply is seen 20 ms late: the wires were silent all the while."""
    assert two_reads(ScriptedLine(monkeypatch, late_s=0.02, part=part)) == pytest.approx(0.02, abs=1e-6)


def test_a_little_late_costs_nothing(monkeypatch: pytest.MonkeyPatch):
    """Less than a gap late; the unit's clock may be 3 % slow, so that much more is waited."""
    silence_s = two_reads(ScriptedLine(monkeypatch, late_s=0.001))
    assert GAP_S <= silence_s <= GAP_S + 0.03 * len(REPLY) * CHAR_S + 1e-6


def test_a_line_that_never_falls_silent_holds_nobody_up(monkeypatch: pytest.MonkeyPatch):
    """Another master talks without end: the request goes out all the same, and fails as damaged."""
    line = ScriptedLine(monkeypatch)
    line.chatter = True
    master = Master(line, BAUD, "N")
    began_s = line.now_s
    with pytest.raises(client_module.DamagedReply):
        master.read_input(1, 0, 100)
    assert len(line.writes) == 1
    assert line.now_s - began_s < 3.0
