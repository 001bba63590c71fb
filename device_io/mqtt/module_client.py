"""What a WiFi link does with the messages of its module, on the connection's thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from device_io.mqtt.burst import BURST_INTERVAL_S, BurstWatch
from device_io.mqtt.connection import PERSONAL, BrokerConnection, UnclearEnd
from device_io.mqtt.delivery import Delivery
from device_io.mqtt.jobs import Done, Failed, WaitingJobs
from device_io.mqtt.payload import PayloadError
from device_io.mqtt.plain_module import plain_info, silence
from device_io.mqtt.readings import ReadingsDecoder
from device_io.mqtt.requests import Request, Requests
from device_io.mqtt.topics import new_tag, topics_of
from device_io.sensix_link import rules
from device_io.sensix_link.identity import identity_from_json, link_options_from_json
from device_io.sensix_link.messages import (
    ErrorCode,
    ErrorReply,
    Hello,
    HelloReply,
    IdentityReply,
    IdentityRequest,
    Kind,
    Message,
    MessageError,
    Probe,
    ProbeReply,
    ReadingsMessage,
    ReadingsRequest,
    StreamReply,
    StreamStart,
    StreamStop,
    parse_message,
)
from device_io.sensix_link.samples import Coding
from device_io.source import LinkError, LinkErrorKind, LinkPhase, ModuleInfo, Readings, Sink
from device_io.urls import MqttUrl

GREETING_S = 1.5
"""A module with link topics answers HELLO within this time, as a rule."""
GREET_AGAIN_S = 30.0
"""A module that only publishes may get a firmware that does more."""
PROBE_S = 5.0
STALL_S = 5.0
RESTARTED_S = 1.0
"""A module that sends readings, but no samples for so long, has been away and forgotten its hosts."""
QUIET_S = BURST_INTERVAL_S + 2.0
"""A module that has said nothing for so long is asked to publish more often."""
SILENT_INTERVALS = 3.5
"""A module is silent when so many of its intervals have gone by."""


class ModuleClient:
    """A `connection.Client` for one module. Parameters as of `WifiLink`."""

    def __init__(self, url: MqttUrl, sink: Sink, *, reconnect: bool, silent_s: float, stream: bool) -> None:
        assert url.token is not None
        assert url.eui is not None
        self._url = url
        self._eui = url.eui.upper()
        self._reconnect = reconnect
        self._silent_s = silent_s
        self._stream = stream
        self._tag = new_tag()
        self._topic = topics_of(url.token, url.eui)
        self._replies = self._topic.replies(self._tag)
        self.topics: tuple[str, ...] = (self._topic.readings, self._replies, self._topic.samples)
        self._out = Delivery(url.text, sink)
        self._connection: BrokerConnection | None = None  # while it is up
        self._requests = Requests(self._send)
        self._jobs = WaitingJobs()
        self._readings = ReadingsDecoder()
        self._burst = BurstWatch()
        self._ended: LinkError | None = None
        self._info: ModuleInfo | None = None  # as told since the connection came up
        self._session = self._streaming = self._greeting = self._speaks = False
        self._pending: Readings | None = None
        self._heard_s = self._greeted_s = self._asked_s = self._samples_s = 0.0
        self._connected_before = self._heard = self._kept = self._woken = False
        self._unfit = ""

    @property
    def over(self) -> bool:
        """Whether it has failed, or was stopped."""
        return self._ended is not None

    @property
    def why_over(self) -> LinkError | None:
        """Why it has failed; None while it has not."""
        return self._ended

    # What the link asks for

    def begin(self) -> None:
        """The link was started."""
        self._out.tell(LinkPhase.OPENING)

    def end(self) -> None:
        """The link was stopped: deliver nothing more."""
        self._ended = self._ended or LinkError(LinkErrorKind.REFUSED, "The link was closed.")
        self._out.end()

    def farewell(self) -> None:
        """Leave the module quiet."""
        if self._session and self._streaming:
            self._send(StreamStop(1))
        self._fail_jobs(self._ended or LinkError(LinkErrorKind.REFUSED, "The link was closed."))

    def ask(self, request: Request) -> None:
        """Send a request when the module is known; fails it where its firmware takes none."""
        if self._hold(lambda: self.ask(request), request.failed):
            return
        if self._session:
            self._requests.ask(request)
        else:
            request.failed(
                LinkError(
                    LinkErrorKind.REFUSED,
                    "The firmware of this module only sends readings over WiFi. Use USB or RS485 for its settings.",
                )
            )

    def read_readings(self, done: Done, failed: Failed) -> None:
        """The readings now, or with the next message where the module can't be asked."""
        if self._hold(lambda: self.read_readings(done, failed), failed):
            return
        if not self._session:
            self._jobs.await_readings(self._patience_s(), done, failed)
            return

        def take(message: Message) -> None:
            answer = cast(ReadingsMessage, message)
            done(Readings(answer.device_time_us, time.time_ns(), answer.values))

        self._requests.ask(Request(ReadingsRequest, ReadingsMessage, take, failed))

    def set_burst(self, on: bool, done: Callable[[bool], None], failed: Failed) -> None:
        """Toggle burst mode unless it stands as wanted already."""
        if self._hold(lambda: self.set_burst(on, done, failed), failed):
            return
        needed = self._burst.needs_toggle(on, time.monotonic())
        if needed:
            self._toggle_burst(on)
        done(needed)

    def _toggle_burst(self, on: bool) -> None:
        if self._connection is not None and self._connection.publish(self._topic.config, b"burst"):
            self._burst.toggled(on, time.monotonic())

    def _hold(self, again: Callable[[], None], failed: Failed) -> bool:
        """Whether a job has to wait until the module is known (again), or has failed."""
        away = self._speaks and not self._session and (self._greeting or self._out.phase == LinkPhase.LOST)
        if self._ended is not None:
            failed(self._ended)
        elif self._info is None or away:
            self._jobs.hold(again, failed)
        else:
            return False
        return True

    def _fail_jobs(self, error: LinkError) -> None:
        self._jobs.fail(error)
        self._requests.fail_all(error)

    # What the connection tells

    def on_up(self, connection: BrokerConnection) -> None:
        """As of `Client`."""
        self._connection = connection
        self._info = self._pending = None
        self._session = self._streaming = self._greeting = self._heard = self._woken = False
        self._heard_s = self._greeted_s = time.monotonic()
        self._burst.forget()
        if self._connected_before:
            self._out.reconnects += 1

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        """As of `Client`."""
        if self._topic.readings in refused:
            self._fail(
                LinkError(
                    LinkErrorKind.TOPIC_REFUSED,
                    f"The broker {self._url.host} does not allow {self._url.user or 'this client'} to read "
                    f"{self._topic.readings}. Check token and EUI, and the rights on the broker.",
                ),
                personal=True,
            )
        elif self._ended is None:
            self._greet()

    def on_down(self, error: LinkError) -> None:
        """As of `Client`."""
        self._connection = None
        self._info = None
        self._session = self._streaming = False
        if self._connected_before or not isinstance(error, UnclearEnd):  # else it is tried again until it is clear why
            self._fail(error, personal=error.kind in PERSONAL)

    def on_kept(self, topic: str) -> None:
        """As of `Client`."""
        self._kept = self._kept or topic == self._topic.readings

    def on_message(self, topic: str, payload: bytes, host_time_ns: int) -> None:
        """As of `Client`."""
        if self._ended is not None:
            return
        self._out.bytes_received += len(payload)
        if topic == self._topic.readings:
            self._take_readings(payload, host_time_ns)
        elif topic == self._replies:
            self._take_reply(payload)
        elif topic == self._topic.samples and self._streaming and payload[:1] == bytes([Kind.SAMPLES]):
            self._out.frames_good += 1
            if self._out.samples(payload[1:], host_time_ns):
                self._samples_s = time.monotonic()
                self._was_heard()

    def on_tick(self) -> None:
        """As of `Client`."""
        if self._ended is not None or self._connection is None:
            return
        now_s = time.monotonic()
        self._requests.tick()
        if self._session and self._requests.idle and now_s - self._asked_s >= PROBE_S:
            self._requests.ask(Request(Probe, ProbeReply, lambda _: None, lambda _: self._lose_session()))
        self._jobs.tick()
        if self._streaming and now_s - self._samples_s > STALL_S:
            self._fail(
                LinkError(
                    LinkErrorKind.STALLED,
                    f"The module {self._eui} sends no samples since {STALL_S:.0f} s. It is asked again; if that does "
                    "not help, check its WiFi.",
                )
            )
            self._lose_session()
        elif now_s - self._heard_s > self._patience_s() and self._out.phase != LinkPhase.LOST:
            seconds = self._patience_s()
            self._fail(
                silence(self._url.host, self._url.eui or "", seconds, self._heard, unfit=self._unfit, kept=self._kept)
            )
            if self._session:
                self._lose_session()
        elif not (self._heard or self._unfit or self._woken) and now_s - self._heard_s > QUIET_S:
            # Perhaps it publishes seldom. Burst mode is off, or it would have spoken; in it, it will.
            self._woken = True
            self._toggle_burst(True)
        again_s = PROBE_S if self._speaks else GREET_AGAIN_S
        if not self._session and now_s - self._greeted_s > again_s:
            self._greet()
        self._out.tick()

    # Messages

    def _take_readings(self, payload: bytes, host_time_ns: int) -> None:
        try:
            readings = self._readings.take(payload, host_time_ns)
        except PayloadError as error:
            self._out.frames_damaged += 1
            if self._unfit != str(error):
                self._unfit = str(error)
                self._out.text(self._unfit)
            return
        self._out.frames_good += 1
        self._burst.note(time.monotonic())
        self._was_heard()
        if self._info is None:
            self._pending = readings
            if self._connected_before and not self._speaks:
                self._introduce(plain_info(self._eui))
            else:
                self._greet()  # unless that goes on; it may have come to life after it was greeted
            return
        self._out.readings(readings)
        self._jobs.readings(readings)
        if self._streaming and time.monotonic() - self._samples_s > RESTARTED_S:
            self._lose_session()

    def _take_reply(self, payload: bytes) -> None:
        try:
            message = parse_message(payload[0], payload[1:]) if payload else None
        except MessageError:
            self._out.frames_damaged += 1
            return
        if message is None:
            return
        self._out.frames_good += 1
        self._was_heard()
        self._requests.take(message)
        if isinstance(message, ErrorReply) and message.code == ErrorCode.NO_SESSION:
            self._lose_session()

    def _was_heard(self) -> None:
        self._heard = True
        self._heard_s = time.monotonic()
        if self._info is not None and self._out.phase == LinkPhase.LOST:
            self._out.tell(LinkPhase.STREAMING if self._streaming else LinkPhase.CONNECTED)

    # Getting to know the module

    def _greet(self) -> None:
        if self._greeting or self._connection is None:
            return
        self._greeting, self._greeted_s = True, time.monotonic()
        self._requests.ask(
            Request(
                lambda request_id: Hello(request_id, rules.VERSION_LOWEST, rules.VERSION_HIGHEST),
                HelloReply,
                self._take_hello,
                self._not_greeted,
                GREETING_S,
            ),
            first=True,
        )

    def _take_hello(self, message: Message) -> None:
        answer = cast(HelloReply, message)
        if not rules.VERSION_LOWEST <= answer.chosen <= rules.VERSION_HIGHEST:
            words = rules.version_problem(answer.lowest, answer.highest) or "update this program."
            self._out.text(words)
            self._not_greeted(LinkError(LinkErrorKind.NEWER_PROTOCOL, words))
            return
        self._requests.ask(Request(IdentityRequest, IdentityReply, self._take_identity, self._not_greeted), first=True)

    def _take_identity(self, message: Message) -> None:
        answer = cast(IdentityReply, message)
        try:
            info, options = identity_from_json(answer.identity), link_options_from_json(answer.identity)
        except MessageError as error:
            words = f"The module {self._eui} describes itself wrongly ({str(error).rstrip('.')}). Update its firmware."
            self._out.text(words)
            self._not_greeted(LinkError(LinkErrorKind.NOT_A_MODULE, words))
            return
        self._session = self._speaks = True
        self._introduce(info)
        if self._stream and "waveform-stream" in info.capabilities:
            coding = Coding.DIFFERENCE if Coding.DIFFERENCE in options.codings else Coding.RAW24
            chips = (1 << len(info.chips)) - 1
            self._requests.ask(
                Request(
                    lambda request_id: StreamStart(request_id, coding, chips),
                    StreamReply,
                    self._take_stream,
                    lambda error: self._out.text(str(error)),
                ),
                first=True,
            )

    def _take_stream(self, _message: Message) -> None:
        self._streaming = True
        self._samples_s = time.monotonic()
        self._out.tell(LinkPhase.STREAMING)

    def _not_greeted(self, _error: LinkError) -> None:
        self._greeting = False
        if self._pending is not None and self._info is None:
            self._introduce(plain_info(self._eui))
        elif self._info is not None:
            self._jobs.resume()  # what still has to wait is held again

    def _introduce(self, info: ModuleInfo) -> None:
        self._greeting = False
        self._info = info
        self._connected_before = True
        self._readings.adopt(info.system if self._session else None)
        self._out.identity(info)
        self._out.tell(LinkPhase.CONNECTED)
        pending, self._pending = self._pending, None
        if pending is not None:
            self._out.readings(pending)
        self._jobs.resume()

    def _lose_session(self) -> None:
        """Perhaps the module knows us no more: greet it anew."""
        self._session = self._streaming = False
        self._greet()

    # Failing

    def _patience_s(self) -> float:
        return max(self._silent_s, SILENT_INTERVALS * self._burst.longest_s)

    def _fail(self, error: LinkError, *, personal: bool = False) -> None:
        if self._ended is not None:
            return
        self._fail_jobs(error)
        if self._reconnect and not (personal and not self._connected_before):
            self._out.tell(LinkPhase.LOST, error)
            return
        self._ended = error
        self._out.end(LinkPhase.FAILED, error)

    def _send(self, message: Message) -> None:
        self._asked_s = time.monotonic()
        if self._connection is not None:
            self._connection.publish(self._topic.to, self._tag.encode() + bytes([message.kind]) + message.pack())
