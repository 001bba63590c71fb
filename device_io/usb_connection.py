"""One module behind one USB serial port: connect, negotiate, stream, deliver, count."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NoReturn

from device_io.link_session import LinkSession, SessionEnded, Stopped
from device_io.port_lease import Lease
from device_io.sensix_link import rules
from device_io.sensix_link.identity import LinkOptions, identity_from_json, link_options_from_json
from device_io.sensix_link.messages import (
    Baud,
    BaudReply,
    Clock,
    IdentityReply,
    IdentityRequest,
    Message,
    MessageError,
    ReadingsMessage,
    StreamReply,
    StreamStart,
    StreamStop,
)
from device_io.sensix_link.samples import HEADER_SIZE, Coding, SampleDecoder
from device_io.source import (
    ClockReport,
    LinkCounters,
    LinkError,
    LinkErrorKind,
    LinkPhase,
    LinkState,
    ModuleInfo,
    Readings,
    Sink,
)
from device_io.transport import open_transport
from device_io.urls import LinkUrl

STALL_S = 3.0
_STATE_EVERY_S = 0.5
_PREFERRED_BAUD = 2_000_000
_LINE_SHARE = 0.8
_FRAME_BYTES = 10
_FAREWELL_S = 0.3
IDENTITY_S = 1.5


class UsbConnection:
    """What the thread of a port does. Also the `Receiver` of its session.

    do_jobs: called between reads while the module is connected. connected_before: whether it ever was. Counters go on
    over reconnections; sample indices do too, unless the module restarted.
    """

    def __init__(
        self,
        url: LinkUrl,
        sink: Sink,
        stopping: threading.Event,
        readings_period_ms: int,
        do_jobs: Callable[[LinkSession], None],
        lease: Lease | None = None,
    ) -> None:
        self._url = url
        self._lease = lease
        self._sink = sink
        self._stopping = stopping
        self._readings_period_ms = readings_period_ms
        self._do_jobs = do_jobs
        self._info: ModuleInfo | None = None
        self._decoder: SampleDecoder | None = None
        self._session: LinkSession | None = None
        self._past = LinkCounters()  # of sessions and decoders that have ended
        self._streaming = False
        self._samples_s = 0.0
        self.connected_before = False
        self._state: LinkState | None = None
        self._told_s = 0.0
        self._clock: ClockReport | None = None
        self._unusable_bauds: set[int] = set()

    # What arrives

    def take_samples(self, payloads: list[bytes], host_time_ns: int) -> None:
        if self._decoder is None or not self._streaming or self._stopping.is_set():
            return  # the rest of an older stream, or of this one
        blocks = self._decoder.decode(payloads, host_time_ns)
        if blocks:
            self._samples_s = time.monotonic()
            self._sink.on_blocks(blocks)

    def take_message(self, message: Message, host_time_ns: int) -> None:
        if isinstance(message, ReadingsMessage) and not self._stopping.is_set():
            self._sink.on_readings(Readings(message.device_time_us, host_time_ns, message.values))
        elif isinstance(message, Clock):
            self._clock = ClockReport(message.device_time_us, message.utc_us, message.uncertainty_us)

    def take_text(self, lines: list[str]) -> None:
        for line in lines:
            if not self._stopping.is_set():
                self._sink.on_text(line)

    # The life of a connection

    def serve(self, hello_timeout_s: float) -> NoReturn:
        """Open the port and deliver until something ends it.

        :raises LinkError: why it ended. :raises Stopped: when the owner stops.
        """
        transport = open_transport(self._url.port, rules.START_BAUD, self._lease)
        try:
            session = self._session = LinkSession(transport, self._url.port, self, self._stopping)
            try:
                while True:
                    try:
                        self._connect(session, hello_timeout_s)
                        self._stream(session)
                    except SessionEnded:
                        self._streaming = False  # greet it again, on the same port
            except Stopped:
                if session.greeted:
                    self._say_goodbye(session)
                raise
        finally:
            self._streaming = False
            self._past, self._session = _sum(self._past, _session_counters(self._session)), None
            transport.close()

    def _connect(self, session: LinkSession, hello_timeout_s: float) -> None:
        began_s = time.monotonic()
        session.greet(hello_timeout_s)
        # Before the identity, which takes 0.2 s at the baud of the start.
        session.raise_baud(bauds_to_try(self._url.baud), self._unusable_bauds)
        left_s = hello_timeout_s - (time.monotonic() - began_s)
        answer = session.request(IdentityRequest(session.next_id()), IdentityReply, max(left_s, IDENTITY_S))
        try:
            info, options = identity_from_json(answer.identity), link_options_from_json(answer.identity)
        except MessageError as error:
            raise LinkError(
                LinkErrorKind.NOT_A_MODULE,
                f"The module on {self._url.port} describes itself wrongly ({str(error).rstrip('.')}). "
                "Update its firmware.",
            ) from None
        self._adopt(info)
        if self.connected_before:
            self._past = _sum(self._past, LinkCounters(reconnects=1))
        self.connected_before = True
        self._sink.on_identity(info)
        self.tell(LinkPhase.CONNECTED)
        streams = "waveform-stream" in info.capabilities
        if streams or self._readings_period_ms:
            chips = (1 << len(info.chips)) - 1 if streams else 0
            coding = choose_coding(info, options, session.baud)
            self._streaming = streams
            session.request(StreamStart(session.next_id(), coding, chips, 0, self._readings_period_ms), StreamReply)
        if streams:
            self.tell(LinkPhase.STREAMING)

    def _adopt(self, info: ModuleInfo) -> None:
        """A module that did not restart goes on in its sample index; any other begins anew."""
        before, decoder = self._info, self._decoder
        self._info = info
        if decoder is None or before is None or _life(before) != _life(info):
            self._past = _sum(self._past, _decoder_counters(decoder))
            self._decoder = SampleDecoder(
                {n: chip.nominal_rate_hz for n, chip in enumerate(info.chips)},
                {n: len(chip.channels) for n, chip in enumerate(info.chips)},
            )
        else:
            # The module counts these anew since HELLO.
            self._past = _sum(self._past, LinkCounters(blocks_left_out=decoder.left_out))
            decoder.left_out = 0

    def _stream(self, session: LinkSession) -> NoReturn:
        self._samples_s = time.monotonic()
        while True:
            session.pump()
            self._do_jobs(session)
            self._tell_counters()
            now_s = time.monotonic()
            if self._streaming and now_s - self._samples_s > STALL_S:
                what = "sends no samples"
            elif now_s - session.heard_s > STALL_S:
                what = "is silent"
            else:
                continue
            raise LinkError(
                LinkErrorKind.STALLED,
                f"The module on {self._url.port} {what} since {STALL_S:.0f} s. If it does not come back, "
                "unplug it and plug it in again.",
            )

    def _say_goodbye(self, session: LinkSession) -> None:
        """Leave the module quiet and at the baud of the start, if it answers at once."""
        session.linger()
        self._streaming = False
        try:
            session.request(StreamStop(session.next_id()), StreamReply, _FAREWELL_S)
            if session.baud != rules.START_BAUD:
                session.request(Baud(session.next_id(), rules.START_BAUD), BaudReply, _FAREWELL_S)
        except (LinkError, SessionEnded):
            pass  # it falls back by itself after HOST_SILENCE_S

    # State and counters

    def tell(self, phase: LinkPhase, error: LinkError | None = None) -> None:
        """Tell the sink where the link stands."""
        baud = self._session.baud if self._session else None
        state = LinkState(phase, self._url.text, error, baud, self._counters(), self._clock)
        if self._state is not None and _same(state, self._state):
            return
        self._state = state
        self._told_s = time.monotonic()
        self._sink.on_state(self._state)

    def _tell_counters(self) -> None:
        if self._state is None or time.monotonic() - self._told_s < _STATE_EVERY_S:
            return
        self.tell(self._state.phase, self._state.error)

    def _counters(self) -> LinkCounters:
        return _sum(self._past, _decoder_counters(self._decoder), _session_counters(self._session))


def bauds_to_try(wanted: int | None) -> list[int]:
    """Rates to ask the module for, best first: the one wanted, else 2 Mbaud, then lower ones. It refuses what it
    does not offer."""
    highest = wanted or _PREFERRED_BAUD
    return [baud for baud in sorted(rules.BAUDS, reverse=True) if rules.START_BAUD < baud <= highest]


def choose_coding(info: ModuleInfo, options: LinkOptions, baud: int) -> Coding:
    """RAW24 where raw samples fill less than 80 % of the line, else DIFFERENCE if the module has it."""
    bytes_per_s = 0.0
    for chip in info.chips:
        blocks_hz = 1.0 / rules.MIN_BLOCK_S
        bytes_per_s += chip.nominal_rate_hz * len(chip.channels) * 3 + blocks_hz * (HEADER_SIZE + _FRAME_BYTES)
    escapes = 1.0 + 2.0 / 256.0
    if Coding.DIFFERENCE in options.codings and bytes_per_s * escapes * 10 >= _LINE_SHARE * baud:
        return Coding.DIFFERENCE
    return Coding.RAW24


def _life(info: ModuleInfo) -> tuple[object, ...]:
    """What is the same as long as a module's sample indices go on."""
    return info.eui, info.boot_id, [(chip.nominal_rate_hz, len(chip.channels)) for chip in info.chips]


def _same(a: LinkState, b: LinkState) -> bool:
    """Errors count as the same when they say the same."""
    return a._replace(error=None) == b._replace(error=None) and str(a.error) == str(b.error)


def _session_counters(session: LinkSession | None) -> LinkCounters:
    if session is None:
        return LinkCounters()
    return LinkCounters(
        bytes_received=session.bytes_received,
        frames_good=session.deframer.frames_good,
        frames_damaged=session.deframer.frames_damaged + session.messages_bad,
        text_bytes=session.deframer.text_bytes,
    )


def _decoder_counters(decoder: SampleDecoder | None) -> LinkCounters:
    if decoder is None:
        return LinkCounters()
    return LinkCounters(
        frames_damaged=decoder.blocks_bad,
        blocks=decoder.blocks,
        blocks_repeated=decoder.blocks_repeated,
        blocks_left_out=decoder.left_out,
        samples_missing=decoder.samples_missing,
    )


def _sum(*counters: LinkCounters) -> LinkCounters:
    return LinkCounters(*map(sum, zip(*counters, strict=True)))
