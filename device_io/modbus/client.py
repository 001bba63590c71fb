"""The requests of a Modbus RTU master: pymodbus' client on a line of ours. The one file that knows pymodbus.

RTU has no transaction numbers, so a reply that comes too late looks like the answer to the next request. Against that:
a reply must fit its request exactly (unit, function, length); after a request without an answer the line stays quiet
for as long as any answer may still come, and what comes is thrown away; and whoever asks compares what the registers
tell of themselves (`unit.py`).
"""

from __future__ import annotations

import logging
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence

from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse

from device_io.modbus.errors import DamagedReply, ExceptionReply, NoReply
from device_io.modbus.line import ByteLine

REPLY_S = 0.5
"""How long a unit may take before the first byte of its reply."""
QUIET_S = 0.5
"""Silence kept after a request that nobody answered: the slowest unit answers within REPLY_S + QUIET_S."""
PAUSE_S = 0.06
"""A reply that stops for so long has ended; adapters deliver what they have every 16 ms."""
_LATENCIES = 1024
_LOOK_S = 0.1
_BY_GATEWAY = (10, 11)
"""Exceptions of a gateway, not of the unit behind it: it has no way to it, or no answer from it."""
_SLOWEST = 1.03
"""A sender's clock may be this much too slow."""
_Ask = Callable[[], ModbusPDU]
_READ_HOLDING, _READ_INPUT, _WRITE_ONE, _WRITE_MANY, _IDENTIFY = 3, 4, 6, 16, 43


def intact(frame: bytes) -> bool:
    """Whether a whole frame has the right CRC."""
    return len(frame) >= 4 and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big"))


class Master:
    """Requests on an open line, one at a time, by one thread. Times in seconds.

    baud, parity: of the line, for the time that frames take. reply_s, quiet_s: see above.
    latencies_s: from the end of a request to the first byte of its reply, the last 1024. echo: whether the adapter
    hears itself. received: the bytes that came in answer to the last request. stopped: asked every 0.1 s while a reply
    is awaited; when it says so, there is none. Counters only grow.
    """

    def __init__(
        self, line: ByteLine, baud: int, parity: str, *, reply_s: float = REPLY_S, quiet_s: float = QUIET_S
    ) -> None:
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # its errors are told by exceptions of ours
        self.char_s = (10 if parity == "N" else 11) / baud
        self.gap_s = 3.5 * self.char_s if baud <= 19_200 else 0.001_75
        self.reply_s = reply_s
        self.quiet_s = quiet_s
        self.latencies_s: deque[float] = deque(maxlen=_LATENCIES)
        self.stopped: Callable[[], bool] = lambda: False
        self.bytes_received = self.frames_good = self.frames_damaged = self.unanswered = 0
        self._line = line
        self._client = _Client(line, baud, self.char_s)
        self._free_s = 0.0  # when the next request may start
        self._dirty = False

    @property
    def received(self) -> bytes:
        return bytes(self._client.heard)

    @property
    def echo(self) -> bool:
        return self._client.comm_params.handle_local_echo

    def read_input(self, unit: int, address: int, count: int) -> list[int]:
        """Input registers (function 4)."""
        client = self._client
        return self._read(
            unit, _READ_INPUT, count, lambda: client.read_input_registers(address, count=count, device_id=unit)
        )

    def read_holding(self, unit: int, address: int, count: int) -> list[int]:
        """Holding registers (function 3)."""
        client = self._client
        return self._read(
            unit, _READ_HOLDING, count, lambda: client.read_holding_registers(address, count=count, device_id=unit)
        )

    def write(self, unit: int, address: int, registers: Sequence[int]) -> None:
        """One holding register (function 6) or several (function 16)."""
        client, values = self._client, list(registers)
        if len(values) == 1:
            self._ask(unit, _WRITE_ONE, 8, lambda: client.write_register(address, values[0], device_id=unit))
            if client.reply_data() != struct.pack(">HH", address, values[0]):
                self._damaged()
        else:
            self._ask(unit, _WRITE_MANY, 8, lambda: client.write_registers(address, values, device_id=unit))
            if client.reply_data() != struct.pack(">HH", address, len(values)):
                self._damaged()

    def identification(self, unit: int) -> dict[int, bytes]:
        """Objects of the device identification (function 43/14), basic and regular."""
        client = self._client
        reply = self._ask(unit, _IDENTIFY, 0, lambda: client.read_device_information(read_code=2, device_id=unit))
        objects: dict[int, bytes] = {}
        for number, text in getattr(reply, "information", {}).items():
            objects[int(number)] = text if isinstance(text, bytes) else b"".join(text)
        return objects

    def probe(self, unit: int, address: int) -> list[int] | None:
        """One input register; None where the unit answers with an exception. NoReply or DamagedReply else."""
        try:
            return self.read_input(unit, address, 1)
        except ExceptionReply:
            return None

    def distrust(self) -> None:
        """An answer was to another request: before the next one wait until no older one can come any more."""
        self._free_s = time.monotonic() + self.quiet_s
        self._dirty = True

    def settle(self) -> None:
        """Wait until no reply to an older request can come any more, and drop what came."""
        heard_s = time.monotonic()
        latest_s = max(heard_s, self._free_s) + 2.0  # if it never falls silent, somebody else talks
        while (now_s := time.monotonic()) < latest_s:
            left_s = max(self._free_s, heard_s + PAUSE_S) - now_s
            if left_s <= 0.0:
                break
            if self._line.read(min(left_s, 0.1)):
                heard_s = time.monotonic()
        self._dirty = False

    def _keep_gap(self) -> None:
        """Wait until the next request may start; what comes meanwhile answers nothing and is dropped."""
        latest_s = max(time.monotonic(), self._free_s) + PAUSE_S  # somebody may never fall silent
        while (now_s := time.monotonic()) < latest_s and self._line.read(max(0.0, self._free_s - now_s)):
            pass

    def _read(self, unit: int, function: int, count: int, ask: _Ask) -> list[int]:
        reply = self._ask(unit, function, 5 + 2 * count, ask)
        if len(reply.registers) != count:
            self._damaged()
        return list(reply.registers)

    def _ask(self, unit: int, function: int, size: int, ask: _Ask) -> ModbusPDU:
        client = self._client
        if self._dirty:
            self.settle()
        self._keep_gap()
        client.expect(unit, function, size, self.reply_s, self.stopped)
        try:
            reply = ask()
        except (ModbusException, struct.error, ValueError, IndexError, AttributeError):
            reply = None
        self.bytes_received += len(client.heard)
        self._free_s = client.ended_s + self.gap_s
        if reply is None:
            self._dirty = True
            if client.heard:
                self._damaged()
            self.unanswered += 1
            self._free_s = time.monotonic() + self.gap_s + self.quiet_s
            raise NoReply("no reply")
        self.frames_good += 1
        self.latencies_s.append(client.latency_s)
        if function in (_READ_HOLDING, _READ_INPUT) and client.hears_itself():
            client.comm_params.handle_local_echo = True
        if reply.isError():
            if reply.exception_code in _BY_GATEWAY:
                self.unanswered += 1
                raise NoReply("no reply to the gateway")
            raise ExceptionReply(reply.exception_code)
        return reply

    def _damaged(self) -> None:
        self.frames_damaged += 1
        self._dirty = True
        raise DamagedReply("damaged reply")


class _ExactFramer(FramerRTU):
    """Takes the one frame that can be the reply: this unit, this function or its exception, this length, intact.
    Noise before it is skipped."""

    unit = function = size = 0
    data = b""

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        for start in range(len(data) - 4):
            if data[start] != self.unit or data[start + 1] & 0x7F != self.function:
                continue
            if data[start + 1] & 0x80:
                size = 5
            elif self.function == _IDENTIFY:
                size = ReadDeviceInformationResponse.calculateRtuFrameSize(data[start:])
            else:
                size = self.size
                if self.function in (_READ_HOLDING, _READ_INPUT) and data[start + 2] != size - 5:
                    continue
            frame = data[start : start + size]
            if start == 0 and len(frame) < size:
                break  # as it should begin, and not whole yet
            if len(frame) == size and self.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
                self.data = frame[2:-2]
                return start + size, self.unit, 0, frame[1:-2]
        return 0, 0, 0, b""


class _Client(ModbusSerialClient):
    """pymodbus' client with our line below it and our framer above."""

    def __init__(self, line: ByteLine, baud: int, char_s: float) -> None:
        super().__init__("line", baudrate=baud, retries=0)
        self._line = line
        self._char_s = char_s
        self._exact = _ExactFramer(DecodePDU(False))
        self.framer = self.transaction.framer = self._exact
        self.heard = bytearray()
        self.ended_s = 0.0  # when the last of it was on the wires, at the latest
        self.latency_s = 0.0
        self._sent = b""
        self._sent_s = self._deadline_s = 0.0
        self._reply_s = 0.0
        self._rest_from = 0.0, 0  # when the first piece of the reply was read, and bytes heard by then
        self._stopped: Callable[[], bool] = lambda: False

    def expect(self, unit: int, function: int, size: int, reply_s: float, stopped: Callable[[], bool]) -> None:
        """What the next request's reply looks like. size: of the whole frame, 0 where the frame tells."""
        self._exact.unit, self._exact.function, self._exact.size = unit, function, size
        self._exact.data = b""
        self._reply_s, self._stopped = reply_s, stopped
        self.comm_params.timeout_connect = reply_s + 2 * 256 * self._char_s + PAUSE_S
        self.heard.clear()

    def reply_data(self) -> bytes:
        """What stands between function and CRC of the last reply."""
        return self._exact.data

    def hears_itself(self) -> bool:
        return bytes(self.heard).startswith(self._sent)

    def connect(self) -> bool:
        return True

    def close(self) -> None:
        """The line belongs to somebody else."""

    def send(self, request: bytes, addr: tuple[str, int] | None = None) -> int:
        del addr
        self._line.write(request)
        self._sent = request
        self.ended_s = self._sent_s = time.monotonic() + len(request) * self._char_s
        self._deadline_s = self._sent_s + self._reply_s
        return len(request)

    def recv(self, size: int | None) -> bytes:
        """Bytes as they come; empty when none have come in time or the reply has stopped."""
        del size
        until_s = time.monotonic() + PAUSE_S if self._reply_begun() else self._deadline_s
        while True:
            left_s = until_s - time.monotonic()
            data = self._line.read(max(0.0, min(left_s, _LOOK_S)))
            if data or left_s <= _LOOK_S or self._stopped():
                break
        if data:
            now_s = time.monotonic()
            if not self._reply_begun():
                self.latency_s = max(0.0, now_s - self._sent_s)
                self._rest_from = now_s, len(self.heard) + len(data)
            self.heard += data
            # A busy computer sees the end late. What follows the first piece takes the time of its bits, no longer.
            since_s, known = self._rest_from
            self.ended_s = min(now_s, since_s + _SLOWEST * self._char_s * (len(self.heard) - known))
        return data

    def _reply_begun(self) -> bool:
        """Whether more has come than the request itself."""
        heard = bytes(self.heard)
        return bool(heard) and not self._sent.startswith(heard)
