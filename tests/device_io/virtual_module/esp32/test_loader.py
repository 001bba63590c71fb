"""The two loaders byte by byte: requests in, replies out."""

import hashlib
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_io.virtual_module.esp32.faults import parse_board_faults
from device_io.virtual_module.esp32.flash import SECTOR, Flash
from device_io.virtual_module.esp32.loader import Esp32Loader
from device_io.virtual_module.esp32.machine import Exit, Op, checksum
from device_io.virtual_module.esp32.slip import SlipDecoder, slip_frame

SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32
MAC = bytes.fromhex("025345abcdef")
OK_ROM, OK_STUB = b"\0\0\0\0", b"\0\0"


class Host:
    """Talks to a loader in frames."""

    def __init__(self, faults=""):
        self.flash = Flash(1 << 20)
        parsed = parse_board_faults(faults)
        self.flash.wear(parsed.worn, parsed.write_error)
        self.loader = Esp32Loader(self.flash, MAC, parsed)

    def ask(self, op, data=b"", check=0):
        """All frames that come back: (direction, op, value, data with status)."""
        out = self.loader.receive(slip_frame(struct.pack("<BBHI", 0, op, len(data), check) + data))
        return [self.parse(frame) for frame in SlipDecoder().feed(out)]

    def one(self, op, data=b"", check=0):
        """The data of the only reply."""
        ((direction, answered, _value, body),) = self.ask(op, data, check)
        assert (direction, answered) == (1, op)
        return body

    @staticmethod
    def parse(frame):
        direction, op, length, value = struct.unpack_from("<BBHI", frame)
        assert length == len(frame) - 8
        return direction, op, value, frame[8:]

    def register(self, address):
        ((_, _, value, body),) = self.ask(Op.READ_REG, struct.pack("<I", address))
        assert body[0] == 0
        return value

    def start_stub(self):
        code = random.randbytes(0x1900)
        assert self.one(Op.MEM_BEGIN, struct.pack("<4I", len(code), 2, 0x1800, 0x4009F000))[0] == 0
        for number in range(2):
            block = code[number * 0x1800 : (number + 1) * 0x1800]
            head = struct.pack("<4I", len(block), number, 0, 0)
            assert self.one(Op.MEM_DATA, head + block, checksum(block))[0] == 0
        frames = SlipDecoder().feed(
            self.loader.receive(slip_frame(struct.pack("<BBHIII", 0, Op.MEM_END, 8, 0, 0, 0x4009F123)))
        )
        assert frames[1:] == [b"OHAI"]
        assert self.loader.stub_running
        return self


def block(number, data, length=None):
    return struct.pack("<4I", len(data) if length is None else length, number, 0, 0) + data


@pytest.fixture
def rom():
    host = Host()
    host.ask(Op.SPI_ATTACH, bytes(8))
    return host


@pytest.fixture
def stub():
    return Host().start_stub()


def test_checksum_is_the_plain_xor():
    for size in (0, 1, 7, 4095, 4096, 4097, 20_000):
        data = random.randbytes(size)
        plain = 0xEF
        for byte in data:
            plain ^= byte
        assert checksum(data) == plain


def test_sync_is_answered_eight_times_with_its_first_word():
    assert Host().ask(Op.SYNC, SYNC) == [(1, Op.SYNC, 0x20120707, OK_ROM)] * 8


def test_an_unknown_command_is_answered_under_the_one_before(rom):
    rom.ask(Op.SYNC, SYNC)
    assert rom.ask(0x14) == [(1, Op.SYNC, 0x20120707, b"\1\5\0\0")] * 8
    assert rom.register(0x40001000) == 0x00F01D83
    assert rom.ask(Op.ERASE_FLASH) == [(1, Op.READ_REG, 0x00F01D83, b"\1\5\0\0")]


def test_the_value_of_a_reply_is_stale(rom):
    rom.register(0x40001000)
    assert rom.ask(Op.WRITE_REG, struct.pack("<4I", 0x1234, 5, 0xFFFFFFFF, 0)) == [
        (1, Op.WRITE_REG, 0x00F01D83, OK_ROM)
    ]
    assert rom.register(0x1234) == 5


@pytest.mark.parametrize(
    "data", [b"", bytes(15), struct.pack("<4I", 0, 0, 0x1801, 0), struct.pack("<5I", 0, 0, 0x400, 0, 0)]
)
def test_rom_flash_begin_wants_four_words_and_a_block_that_fits(rom, data):
    assert rom.one(Op.FLASH_BEGIN, data)[:2] == b"\1\5"


def test_rom_flash_needs_its_pins():
    assert Host().one(Op.FLASH_BEGIN, struct.pack("<4I", 0x1000, 4, 0x400, 0))[:2] == b"\1\6"
    assert Host().one(Op.FLASH_BEGIN, struct.pack("<4I", 0, 0, 0x400, 0)) == OK_ROM


def test_rom_write(rom):
    data = random.randbytes(0x800)
    rom.flash.write(0x3000, bytes(0x1000))
    assert rom.one(Op.FLASH_BEGIN, struct.pack("<4I", 0x800, 2, 0x400, 0x3000)) == OK_ROM
    assert rom.flash.read(0x3000, 0x1000) == b"\xff" * 0x1000  # erased before the answer
    assert rom.one(Op.FLASH_END, struct.pack("<I", 1))[:2] == b"\1\6"  # not all has come
    for number in range(2):
        piece = data[number * 0x400 : (number + 1) * 0x400]
        assert rom.one(Op.FLASH_DATA, block(number, piece), checksum(piece)) == OK_ROM
    assert rom.flash.read(0x3000, 0x800) == data
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest().encode()
    assert rom.one(Op.MD5, struct.pack("<4I", 0x3000, 0x800, 0, 0)) == digest + OK_ROM
    assert rom.one(Op.FLASH_END, struct.pack("<I", 0)) == OK_ROM
    assert rom.loader.take_exit() is Exit.RESET


def test_rom_uses_up_the_number_of_a_block_with_a_wrong_checksum(rom):
    piece = random.randbytes(0x400)
    rom.one(Op.FLASH_BEGIN, struct.pack("<4I", 0x800, 2, 0x400, 0))
    assert rom.one(Op.FLASH_DATA, block(0, piece), checksum(piece) ^ 1)[:2] == b"\1\7"
    assert rom.one(Op.FLASH_DATA, block(0, piece), checksum(piece))[:2] == b"\1\5"


@pytest.mark.parametrize(
    "data", [block(1, bytes(0x400)), block(0, bytes(0x404)), block(0, bytes(6)), block(0, bytes(8), 12), bytes(12)]
)
def test_rom_refuses_odd_blocks(rom, data):
    rom.one(Op.FLASH_BEGIN, struct.pack("<4I", 0x400, 1, 0x400, 0))
    assert rom.one(Op.FLASH_DATA, data, 0xEF)[:2] == b"\1\5"


@pytest.mark.parametrize("fault", ["flash-write-error@0x3010", "worn@0x3000"])
def test_rom_reads_back_what_it_wrote(fault):
    host = Host(fault)
    host.ask(Op.SPI_ATTACH, bytes(8))
    piece = b"\xff" * 0x3FF + b"\xa5"
    host.one(Op.FLASH_BEGIN, struct.pack("<4I", 0x400, 1, 0x400, 0x3000))
    answer = host.one(Op.FLASH_DATA, block(0, piece), checksum(piece))
    # An XOR is a weak check: sixteen stuck bits cancel out.
    assert answer[:2] == (b"\1\10" if fault.startswith("flash") else b"\0\0")


def test_rom_compressed_write_and_slow_read(rom):
    data = b"waveform " * 900
    packed = zlib.compress(data, 9)
    rom.one(Op.DEFL_BEGIN, struct.pack("<4I", 0x2000, 1, 0x400, 0x5000))
    assert rom.one(Op.DEFL_DATA, block(0, packed), checksum(packed)) == OK_ROM
    assert rom.flash.read(0x5000, len(data)) == data
    assert rom.one(Op.READ_FLASH_SLOW, struct.pack("<2I", 0x5000, 10)) == data[:10].ljust(64, b"\0") + OK_ROM
    assert rom.one(Op.READ_FLASH_SLOW, struct.pack("<2I", 0, 65))[:2] == b"\1\x0a"
    assert rom.one(Op.READ_FLASH_SLOW, struct.pack("<2I", 1 << 20, 4))[:2] == b"\1\x09"
    rom.one(Op.DEFL_BEGIN, struct.pack("<4I", 0x2000, 1, 0x400, 0x5000))
    assert rom.one(Op.DEFL_DATA, block(0, b"no zlib!"), checksum(b"no zlib!"))[:2] == b"\1\x0b"


def test_a_length_that_lies_is_refused(rom, stub):
    frame = slip_frame(struct.pack("<BBHI", 0, Op.READ_REG, 4, 0) + bytes(3))
    assert Host.parse(SlipDecoder().feed(rom.loader.receive(frame))[0])[3][:2] == b"\1\5"
    assert Host.parse(SlipDecoder().feed(stub.loader.receive(frame))[0])[3] == b"\xc0\0"


def test_identity(rom):
    fuses = 0x3FF5A000
    assert struct.pack(">I", rom.register(fuses + 8))[2:] + struct.pack(">I", rom.register(fuses + 4)) == MAC
    spi = 0x3FF42000
    for register, value in ((0x24, 7 << 28 | 0x9F), (0x80, 0), (0, 1 << 18)):
        rom.ask(Op.WRITE_REG, struct.pack("<4I", spi + register, value, 0xFFFFFFFF, 0))
    assert rom.register(spi) == 0  # done
    assert rom.register(spi + 0x80) & 0xFFFFFF == 0x1440EF  # 1 MiB


def test_a_jump_into_nothing_resets_the_chip(rom):
    rom.one(Op.MEM_BEGIN, struct.pack("<4I", 4, 1, 0x1800, 0x40080000))
    assert rom.one(Op.MEM_DATA, block(0, b"code"), checksum(b"code")) == OK_ROM
    assert rom.one(Op.MEM_DATA, block(1, b"more"), checksum(b"more"))[:2] == b"\1\5"
    rom.one(Op.MEM_END, struct.pack("<2I", 1, 0))
    assert rom.loader.take_exit() is None
    rom.one(Op.MEM_END, struct.pack("<2I", 0, 0x40090000))
    assert rom.loader.take_exit() is Exit.RESET
    assert not rom.loader.stub_running


def test_the_stub_tells_that_it_is_one(stub):
    assert stub.ask(Op.SYNC, SYNC) == [(1, Op.SYNC, 0, OK_STUB)] * 8
    assert stub.one(0x14) == b"\xff\0"
    assert stub.register(0x40001000) == 0x00F01D83
    stub.loader.reset()
    assert stub.ask(Op.SYNC, SYNC)[0][2] == 0x20120707


def test_the_stub_acknowledges_before_it_writes():
    host = Host("flash-write-error@0x5000").start_stub()
    data = random.randbytes(0x4000)
    assert host.one(Op.FLASH_BEGIN, struct.pack("<5I", 0x8000, 2, 0x4000, 0x4000, 0)) == OK_STUB
    assert host.one(Op.FLASH_DATA, block(0, data), checksum(data)) == OK_STUB
    assert host.one(Op.FLASH_DATA, block(1, data), checksum(data)) == b"\xc4\0"
    assert host.one(Op.FLASH_END, struct.pack("<I", 1)) == b"\xc4\0"


def test_the_stubs_errors(stub):
    assert stub.one(Op.FLASH_DATA, block(0, b"data"), checksum(b"data")) == b"\xc6\0"
    assert stub.one(Op.FLASH_BEGIN, bytes(4)) == b"\xc0\0"
    assert stub.one(Op.FLASH_BEGIN, struct.pack("<5I", 4, 1, 0x4001, 0, 0)) == b"\xc2\0"
    assert stub.one(Op.FLASH_END, struct.pack("<I", 1)) == b"\xc6\0"
    stub.one(Op.FLASH_BEGIN, struct.pack("<5I", 8, 1, 0x4000, 0, 0))
    assert stub.one(Op.FLASH_DATA, block(0, b"data"), 1) == b"\xc1\0"
    assert stub.one(Op.FLASH_DATA, block(0, b"data"), checksum(b"data")) == OK_STUB
    assert stub.one(Op.FLASH_END, struct.pack("<I", 1)) == b"\xc8\0"
    for packed, code in ((b"no zlib!", b"\xc7\0"), (zlib.compress(bytes(9)), b"\xc9\0")):
        stub.one(Op.DEFL_BEGIN, struct.pack("<5I", 8, 1, 0x4000, 0, 0))
        assert stub.one(Op.DEFL_DATA, block(0, packed), checksum(packed)) == OK_STUB
        assert stub.one(Op.DEFL_END, struct.pack("<I", 1)) == code
    assert stub.one(Op.ERASE_REGION, struct.pack("<2I", 1, SECTOR)) == b"\xc0\0"
    assert stub.one(Op.ERASE_REGION, struct.pack("<2I", 1 << 20, SECTOR)) == b"\xc4\0"
    assert stub.one(0x77) == b"\xff\0"


@pytest.mark.parametrize("offset", [0x4000, 0x4010, 0x4FFC])
def test_the_stub_erases_only_the_sectors_it_writes(stub, offset):
    stub.flash.write(0, bytes(1 << 20))
    data = random.randbytes(0x4800)
    packed = zlib.compress(data)
    pieces = [packed[at : at + 0x1000] for at in range(0, len(packed), 0x1000)]
    stub.one(Op.DEFL_BEGIN, struct.pack("<5I", len(data), len(pieces), 0x4000, offset, 0))
    for number, piece in enumerate(pieces):
        assert stub.one(Op.DEFL_DATA, block(number, piece), checksum(piece)) == OK_STUB
    assert stub.one(Op.DEFL_END, struct.pack("<I", 1)) == OK_STUB
    assert stub.flash.read(offset, len(data)) == data
    first, last = offset // SECTOR, (offset + len(data) - 1) // SECTOR
    assert sorted(stub.flash.erasures) == list(range(first, last + 1))
    assert set(stub.flash.erasures.values()) == {1}
    assert stub.flash.read((last + 1) * SECTOR, SECTOR) == bytes(SECTOR)


@pytest.mark.parametrize("length", [0, 1, 0x1000, 0x1001, 0x5432])
@pytest.mark.parametrize("in_flight", [1, 2, 64])
def test_the_stub_reads_no_faster_than_the_host_takes(stub, length, in_flight):
    stub.flash.write(0x2000, random.randbytes(0x6000))
    decoder = SlipDecoder()
    request = struct.pack("<BBHI4I", 0, Op.READ_FLASH, 16, 0, 0x2000, length, 0x1000, in_flight)
    frames = decoder.feed(stub.loader.receive(slip_frame(request)))
    assert Host.parse(frames.pop(0))[3] == OK_STUB
    got = b""
    while len(got) < length:
        assert 0 < len(frames) <= in_flight
        got += frames.pop(0)
        frames += decoder.feed(stub.loader.receive(slip_frame(struct.pack("<I", len(got)))))
    assert got == stub.flash.read(0x2000, length)
    assert frames == [hashlib.md5(got, usedforsecurity=False).digest()]
    assert stub.ask(Op.SYNC, SYNC)  # back to commands


def test_bauds_and_ways_out(stub):
    assert stub.one(Op.CHANGE_BAUD, struct.pack("<2I", 921_600, 115_200)) == OK_STUB
    assert stub.loader.take_baud() == 921_600
    assert stub.loader.take_baud() is None
    assert stub.one(Op.FLASH_BEGIN, struct.pack("<5I", 0, 0, 0x4000, 0, 0)) == OK_STUB
    assert stub.one(Op.FLASH_END, struct.pack("<I", 0)) == OK_STUB
    assert stub.loader.take_exit() is Exit.RESET
    stub.one(Op.RUN_USER_CODE)
    assert stub.loader.take_exit() is Exit.RUN


def test_a_wrong_digest_is_wrong_everywhere():
    host = Host("flash-wrong-digest")
    right = hashlib.md5(b"\xff" * 64, usedforsecurity=False)
    assert host.one(Op.MD5, struct.pack("<4I", 0, 64, 0, 0)) != right.hexdigest().encode() + OK_ROM
    host.start_stub()
    assert host.one(Op.MD5, struct.pack("<4I", 0, 64, 0, 0)) != right.digest() + OK_STUB


@pytest.mark.parametrize("kind", ["unplug", "stall", "drop"])
@pytest.mark.parametrize("step", [1, 13, 10_000])
def test_faults_come_at_their_byte(kind, step):
    request = slip_frame(struct.pack("<BBHII", 0, Op.READ_REG, 4, 0, 0x40001000))
    host = Host(f"flash-{kind}@{4 * len(request)}")
    stream = request * 10
    answers = 0
    for at in range(0, len(stream), step):
        answers += len(SlipDecoder().feed(host.loader.receive(stream[at : at + step])))
    if kind == "drop":
        assert answers == 9  # the frame without its head is none
        assert host.loader.bytes_received == len(stream)
    else:
        assert answers == 4
        assert host.loader.unplugged == (kind == "unplug")
        host.loader.unplugged = False
        host.loader.reset()
        assert host.ask(Op.SYNC, SYNC)  # once


WORDS = st.lists(st.one_of(st.integers(0, 0xFFFFFFFF), st.sampled_from([0, 1, 4, 0x400, 0x1000, 0x4000])), max_size=7)
REQUESTS = st.lists(
    st.tuples(st.one_of(st.sampled_from(list(Op)), st.integers(0, 255)), WORDS, st.binary(max_size=20)), max_size=12
)


@given(REQUESTS, st.booleans())
def test_nothing_a_host_sends_breaks_a_loader(requests, with_stub):
    host = Host()
    if with_stub:
        host.start_stub()
    for op, words, tail in requests:
        data = struct.pack(f"<{len(words)}I", *words) + tail
        check = checksum(data[16:])
        host.loader.receive(slip_frame(struct.pack("<BBHI", 0, op, len(data), check) + data))
    host.loader.reset()
    assert host.ask(Op.SYNC, SYNC) == [(1, Op.SYNC, 0x20120707, OK_ROM)] * 8


@given(st.binary(max_size=200))
def test_noise_before_a_request_costs_at_most_one(noise):
    host = Host()
    host.loader.receive(noise + b"\xc0")
    frame = slip_frame(struct.pack("<BBHII", 0, Op.READ_REG, 4, 0, 0x40001000))
    assert struct.pack("<I", 0x00F01D83) in host.loader.receive(frame * 2)
