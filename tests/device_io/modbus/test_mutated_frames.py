"""No damaged frame passes, but those whose CRC happens to fit, which is one in 65 536."""

from __future__ import annotations

import random

import pytest

from device_io.modbus.client import Master
from device_io.modbus.errors import BusError
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, framed, intact
from tests.fakes.rtu_line import running_module


class OneReply:
    """A line that answers every request with the same bytes, at once, and then says that nothing more comes."""

    def __init__(self) -> None:
        self.reply = b""
        self._left = b""

    def write(self, data: bytes) -> None:
        self._left = self.reply

    def read(self, timeout_s: float) -> bytes:
        data, self._left = self._left, b""
        return data

    def close(self) -> None:
        pass


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes changed, lost, repeated or put in, the end cut off, noise around it."""
    data = bytearray(frame)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(data)) if data else 0
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and data:
            data[at] = rng.randrange(256)
        elif kind == 2:
            del data[at : at + rng.randint(1, 4)]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.randint(1, 4))
        elif kind == 4:
            del data[at:]
        elif kind == 5:
            data[at:at] = data[at : at + rng.randint(1, 6)]
        else:
            data = bytearray(rng.randbytes(rng.randint(0, 3))) + data + rng.randbytes(rng.randint(0, 3))
    return bytes(data)


def campaign(count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """(wrong content that passed, of these with a CRC that does not fit it) of so many frames to the client."""
    monkeypatch.setattr("device_io.modbus.client.PAUSE_S", 0.0)
    rng = random.Random(seed)
    line = OneReply()
    master = Master(line, 115_200, "N", reply_s=0.0, quiet_s=0.0)
    master.gap_s = 0.0
    passed = unfit = 0
    for n in range(count):
        registers = [rng.randrange(65_536) for _ in range(rng.choice((1, 2, 10)))]
        body = bytes([1, 4, 2 * len(registers)]) + b"".join(word.to_bytes(2, "big") for word in registers)
        line.reply = mutated(framed(body), rng)
        if n % 16 == 0:
            line.reply = mutated(framed(bytes.fromhex("01 84 02")), rng)
        try:
            got = master.read_input(1, 0, len(registers))
        except BusError:
            continue
        if got != registers:
            passed += 1
            size = 5 + 2 * len(registers)
            pieces = (line.reply[at : at + size] for at in range(len(line.reply)))
            unfit += not any(intact(piece) for piece in pieces)
    return passed, unfit


def requests(count: int, seed: int) -> tuple[int, int]:
    """(answered although changed, of these with a CRC that does not fit) of so many frames to the slave."""
    rng = random.Random(seed)
    slave = RtuSlave([ModuleRegisters(running_module("clean"))])
    frames = [framed(bytes.fromhex(body)) for body in ("01 04 00 14 00 02", "01 03 00 10 00 01", "01 06 03 E9 00 05")]
    answered = unfit = 0
    for n in range(count):
        frame = rng.choice(frames)
        data = mutated(frame, rng)
        slave.receive(data, float(n))
        if slave.answer(n + 0.5) and data != frame:
            answered += 1
            unfit += not intact(data)
    return answered, unfit


def test_a_sample_of_damaged_frames(monkeypatch: pytest.MonkeyPatch):
    seed = random.randrange(1 << 32)
    passed, unfit = campaign(20_000, seed, monkeypatch)
    assert unfit == 0, f"seed {seed}"
    assert passed <= 8, f"seed {seed}: the CRC lets one in 65 536 through"
    answered, unfit = requests(20_000, seed)
    assert unfit == 0, f"seed {seed}"
    assert answered <= 8, f"seed {seed}"


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_damaged_frames(monkeypatch: pytest.MonkeyPatch):
    seed = random.randrange(1 << 32)
    passed, unfit = campaign(1_000_000, seed, monkeypatch)
    answered, unfit_requests = requests(1_000_000, seed)
    print(f"of a million frames each: {passed} replies and {answered} requests had a CRC that fits by chance")
    assert unfit == unfit_requests == 0, f"seed {seed}"
    assert passed <= 60, f"seed {seed}"
    assert answered <= 60, f"seed {seed}"
