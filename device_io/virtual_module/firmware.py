"""The module's end of Sensix Link (docs/link-protocol.md): requests in, replies and sample frames out. No threads, no
clock of its own: times are given, in seconds since the module's start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from device_io.improv.packets import PacketReader
from device_io.sensix_link.framing import Deframer, encode_frame
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    Clock,
    ErrorCode,
    ErrorReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Message,
    MessageError,
    Probe,
    ProbeReply,
    ReadingsMessage,
    ReadingsRequest,
    SettingsRead,
    SettingsReply,
    SettingsWrite,
    Status,
    StreamReply,
    StreamStart,
    StreamStop,
    identity_to_json,
    parse_message,
)
from device_io.sensix_link.rules import (
    BAUD_CONFIRM_S,
    BAUD_SWITCH_DELAY_S,
    BAUDS,
    HOST_SILENCE_S,
    START_BAUD,
    STATUS_INTERVAL_S,
    VERSION_HIGHEST,
    VERSION_LOWEST,
    choose_version,
)
from device_io.sensix_link.samples import Coding
from device_io.virtual_module.front_end import SAMPLE_RATE_HZ
from device_io.virtual_module.improv import VirtualImprov
from device_io.virtual_module.module import SLOT_S, VirtualModule, sample_frame
from device_io.virtual_module.settings import SettingError
from device_io.virtual_module.transmitter import Transmitter

LOG_INTERVAL_S = 10.0
MIN_READINGS_PERIOD_MS = 1000

Measure = Callable[[float], dict[str, float | None]]
"""The module's own readings at a time (s)."""

_IDLE = StreamReply(0, int(Coding.RAW24), 0, 0, 0)
_SETTING_ERRORS = {
    "unknown": ErrorCode.UNKNOWN_SETTING,
    "read-only": ErrorCode.READ_ONLY,
    "bad-value": ErrorCode.BAD_VALUE,
}


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
            self._send_readings(0, now)
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
        request_id = payload[0] if payload else 0
        try:
            message = parse_message(kind, payload)
        except MessageError as error:
            self._refuse(request_id, ErrorCode.MALFORMED, str(error))
            return
        if message is None:
            self._refuse(request_id, ErrorCode.UNKNOWN_REQUEST, f"kind {kind} is not known to this firmware")
        elif isinstance(message, Hello):
            self._hello(message)
        elif not self._session:
            self._refuse(request_id, ErrorCode.NO_SESSION, "say HELLO first")
        else:
            self._answer(message, request_id, now)

    def _hello(self, message: Hello) -> None:
        chosen = choose_version(message.lowest, message.highest, VERSION_LOWEST, VERSION_HIGHEST)
        self._stop_stream()
        self._left_out = 0
        self._session = chosen != 0
        self._left_out = 0
        self._send(HelloReply(message.request_id, chosen, VERSION_LOWEST, VERSION_HIGHEST))

    def _answer(self, message: Message, request_id: int, now: float) -> None:
        if isinstance(message, Probe):
            self._confirm_until = None
            self._send(ProbeReply(request_id, message.data))
        elif isinstance(message, IdentityRequest):
            self._send(IdentityReply(request_id, identity_to_json(self._module.info)))
        elif isinstance(message, SettingsRead):
            self._send(SettingsReply(request_id, self._module.settings))
        elif isinstance(message, SettingsWrite):
            try:
                self._module.settings.write(message.values)
            except SettingError as error:
                self._refuse(request_id, _SETTING_ERRORS[error.reason], str(error))
            else:
                self._send(SettingsReply(request_id, self._module.settings))
        elif isinstance(message, Baud):
            self._change_baud(message)
        elif isinstance(message, StreamStart):
            self._start_stream(message, now)
        elif isinstance(message, StreamStop):
            self._stop_stream()
            self._send(replace(_IDLE, request_id=request_id))
        elif isinstance(message, ReadingsRequest):
            self._send_readings(request_id, now)
        else:
            self._refuse(request_id, ErrorCode.UNKNOWN_REQUEST, "only a module sends this")

    def _change_baud(self, message: Baud) -> None:
        if message.baud not in BAUDS:
            self._refuse(
                message.request_id, ErrorCode.BAD_VALUE, f"{message.baud} is none of the bauds in the identity"
            )
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
        known = (1 << len(self._module.info.chips)) - 1
        if message.chips & ~known:
            self._refuse(message.request_id, ErrorCode.BAD_VALUE, f"there are {len(self._module.info.chips)} chips")
        elif message.coding not in list(Coding):
            self._refuse(
                message.request_id, ErrorCode.UNSUPPORTED, f"coding {message.coding} is none of the identity's"
            )
        else:
            period = message.readings_period_ms and max(message.readings_period_ms, MIN_READINGS_PERIOD_MS)
            samples = round(SLOT_S * SAMPLE_RATE_HZ)
            self._stream = StreamReply(message.request_id, message.coding, message.chips, samples, period)
            self._status_at, self._readings_at = now + STATUS_INTERVAL_S, now + 1e-3 * period
            self._send(self._stream)

    def _stop_stream(self) -> None:
        self._stream = _IDLE
        self._out.clear_stream()

    def _end_session(self) -> None:
        self._session = False
        self._stop_stream()
        self._new_baud = self._switch_at = self._confirm_until = None
        self._out.hold_stream = False
        self._out.baud = START_BAUD

    def _send_readings(self, request_id: int, now: float) -> None:
        self._send(ReadingsMessage(request_id, self._module.device_time_us(now), self._measure(now)))

    def _refuse(self, request_id: int, code: ErrorCode, text: str) -> None:
        self._send(ErrorReply(request_id, code, text))

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
