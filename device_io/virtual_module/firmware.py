"""The module's end of Sensix Link (docs/link-protocol.md): requests in, replies and sample frames out. No threads, no
clock of its own: times are given, in seconds since the module's start."""

from __future__ import annotations

from device_io.improv.packets import PacketReader
from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    Clock,
    ErrorCode,
    ErrorReply,
    Hello,
    Message,
    Probe,
    Status,
    StreamReply,
    StreamStart,
    StreamStop,
)
from device_io.sensix_link.rules import (
    BAUD_CONFIRM_S,
    BAUD_SWITCH_DELAY_S,
    BAUDS,
    HOST_SILENCE_S,
    START_BAUD,
    STATUS_INTERVAL_S,
)
from device_io.sensix_link.samples import Coding
from device_io.virtual_module import firmware_answers as answers
from device_io.virtual_module.firmware_answers import Measure
from device_io.virtual_module.improv import VirtualImprov
from device_io.virtual_module.module import SLOT_S, VirtualModule, sample_frame
from device_io.virtual_module.transmitter import Transmitter

LOG_INTERVAL_S = 10.0
_IDLE = answers.stream_stopped(0)


class Firmware:
    """State of the link: session, baud, stream. `transmitter` takes what leaves; its baud is the module's."""

    def __init__(self, module: VirtualModule, transmitter: Transmitter, measure: Measure) -> None:
        self._module = module
        self._out = transmitter
        self._measure = measure
        self._deframer = Deframer()
        self._improv_reader = PacketReader()
        self._improv = VirtualImprov(module.settings, self._who)
        self._session = False
        self._stream = _IDLE
        self._left_out = 0
        self._heard_at = 0.0
        self._new_baud: int | None = None  # switch to it once the reply has left ...
        self._switch_at: float | None = None  # ... and this time has come
        self._confirm_until: float | None = None
        self._status_at = self._log_at = self._readings_at = 0.0
        self._booted = False

    @property
    def streaming(self) -> bool:
        """Whether sample blocks are wanted."""
        return self._stream.chips != 0

    def attached(self, now: float) -> None:
        """A program opened the port. The first one finds the boot log in the bridge's buffer."""
        self._deframer = Deframer()
        if not self._booted:
            self._booted = True
            self._out.send_reply(boot_log(self._module).encode())
            self._log_at = now + LOG_INTERVAL_S

    def detached(self) -> None:
        """The program is gone (the bridge lowers DTR): wait for the next one at the start baud."""
        self._end_session()
        self._out.clear()

    def receive(self, data: bytes, now: float, *, framing_errors: bool = False) -> None:
        """Bytes from the host. framing_errors: they came at another baud; outside of a switch of the baud that is a new
        program, which begins at the start baud."""
        if framing_errors and self._new_baud is None and self._confirm_until is None:
            self._end_session()
        packets, data = self._improv_reader.feed(data)
        for packet in packets:
            self._out.send_reply(self._improv.answer(packet))
        for kind, payload in self._deframer.feed(data):
            self._heard_at = now
            self._take(kind, payload, now)
        self._deframer.take_text()

    def _who(self) -> tuple[str, str, str, str]:
        info = self._module.info
        return "Sensix", info.firmware, "ESP32", info.name

    def slot(self, slot: int) -> None:
        """A slot is over: queue its blocks, or leave them out whole when the line can't carry them."""
        if not self.streaming:
            return
        blocks = [block for block in self._module.blocks(slot) if self._stream.chips >> block.chip & 1]
        coding = Coding(self._stream.coding)
        if not self._out.send_samples([sample_frame(block, self._left_out, coding) for block in blocks]):
            self._left_out += len(blocks)

    def leave_out(self, slots: int) -> None:
        """Slots that were never sampled for the line (the computer was too late)."""
        self._left_out += slots * self._stream.chips.bit_count()

    def tick(self, now: float) -> None:
        """What is due at this time."""
        self._switch_baud(now)
        if self._session and now - self._heard_at > HOST_SILENCE_S:
            self._end_session()
        if self.streaming and now >= self._status_at:
            self._status_at = now + STATUS_INTERVAL_S
            self._send(
                Status(
                    self._module.info.boot_id,
                    self._module.device_time_us(now),
                    self._left_out,
                    self._deframer.frames_damaged,
                )
            )
            report = self._module.clock_report(now)
            if report is not None:
                self._send(Clock(report.device_time_us, report.utc_us, round(report.uncertainty_us)))
        if self._stream.readings_period_ms and now >= self._readings_at:
            self._readings_at = now + self._stream.readings_period_ms * 1e-3
            self._send(answers.readings_message(self._module, self._measure, 0, now))
        if self._booted and now >= self._log_at:
            self._log_at = now + LOG_INTERVAL_S
            line = f"I ({int(now * 1e3)}) link: uptime {int(now)} s, {self._left_out} blocks left out\r\n"
            self._out.send_reply(line.encode())

    def next_due(self, now: float) -> float:
        """Seconds until `tick` has to be called again at the latest; short while a baud switch is under way."""
        if self._new_baud is None:
            return SLOT_S
        return 0.002 if self._switch_at is None else max(0.0, self._switch_at - now)

    def _take(self, kind: int, payload: bytes, now: float) -> None:
        request_id, message = answers.request_of(kind, payload)
        if isinstance(message, ErrorReply):
            self._send(message)
        elif isinstance(message, Hello):
            self._hello(message)
        elif not self._session:
            self._send(answers.no_session(request_id))
        elif isinstance(message, Baud):
            self._change_baud(message)
        elif isinstance(message, StreamStart):
            self._start_stream(message, now)
        elif isinstance(message, StreamStop):
            self._stop_stream()
            self._send(answers.stream_stopped(request_id))
        else:
            if isinstance(message, Probe):
                self._confirm_until = None
            self._send(answers.answer(self._module, self._measure, request_id, message, now))

    def _hello(self, message: Hello) -> None:
        reply = answers.hello_reply(message)
        self._stop_stream()
        self._session = reply.chosen != 0
        self._left_out = 0
        self._send(reply)

    def _change_baud(self, message: Baud) -> None:
        if message.baud not in BAUDS:
            text = f"{message.baud} is none of the bauds in the identity"
            self._send(ErrorReply(message.request_id, ErrorCode.BAD_VALUE, text))
            return
        self._send(BaudReply(message.request_id, message.baud))
        self._new_baud, self._switch_at = message.baud, None
        self._out.hold_stream = True

    def _switch_baud(self, now: float) -> None:
        if self._new_baud is not None:
            if self._switch_at is None and self._out.idle:
                self._switch_at = now + BAUD_SWITCH_DELAY_S
            if self._switch_at is not None and now >= self._switch_at:
                self._out.baud, self._new_baud, self._switch_at = self._new_baud, None, None
                self._out.hold_stream = False
                self._confirm_until = now + BAUD_CONFIRM_S
        elif self._confirm_until is not None and now > self._confirm_until:
            self._confirm_until = None
            self._out.baud = START_BAUD

    def _start_stream(self, message: StreamStart, now: float) -> None:
        reply = answers.stream_reply(self._module, message)
        if isinstance(reply, StreamReply):
            self._stream = reply
            self._status_at, self._readings_at = now + STATUS_INTERVAL_S, now + 1e-3 * reply.readings_period_ms
        self._send(reply)

    def _stop_stream(self) -> None:
        self._stream = _IDLE
        self._out.clear_stream()

    def _end_session(self) -> None:
        self._session = False
        self._stop_stream()
        self._new_baud = self._switch_at = self._confirm_until = None
        self._out.hold_stream = False
        self._out.baud = START_BAUD

    def _send(self, message: Message) -> None:
        self._out.send_reply(encode_frame(message.kind, message.pack()))


def boot_log(module: VirtualModule) -> str:
    """What the chip's loader and the application print at power-up."""
    info = module.info
    lines = (
        "ets Jul 29 2019 12:21:46",
        "",
        "rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)",
        "I (29) boot: 2nd stage bootloader",
        "I (312) cpu_start: Starting scheduler on PRO CPU.",
        f"I (345) module: {info.type} {info.eui} {info.system}, firmware {info.firmware}",
        f"I (352) link: ready at {START_BAUD} baud",
        "",
    )
    return "\r\n".join(lines)
