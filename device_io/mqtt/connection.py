"""One connection to a broker, shared by all links to modules behind it: one thread owns it, subscribes again after
every reconnection, and hands messages to its clients.

Clients never block: they are told that the way is open, what arrives, that time goes by, and why the way was cut.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from device_io.mqtt import dialling
from device_io.mqtt.client import Client, Routes
from device_io.mqtt.dialling import Stopped, Wire
from device_io.mqtt.mailbox import Mailbox
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 6
"""A broker that is gone without a word is noticed after twice this time: before a module counts as silent."""
CONNACK_TIMEOUT_S = 10.0
RETRY_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between attempts to connect; the last one repeats."""
RETRY_REFUSED_S = 30.0
"""Pause after a refusal that only a person can end, so that no account is locked."""
STOP_S = 2.0
TICK_S = 0.25
BACKLOG_BYTES = 262_144
"""What may wait to be sent; further messages are left out."""
_UNCLEAR_CLOSES = 3

PERSONAL = frozenset(
    {
        LinkErrorKind.BAD_URL,
        LinkErrorKind.NOT_TLS,
        LinkErrorKind.WRONG_HOST_NAME,
        LinkErrorKind.UNKNOWN_CA,
        LinkErrorKind.CERTIFICATE_EXPIRED,
        LinkErrorKind.CLIENT_CERTIFICATE,
        LinkErrorKind.LOGIN_REFUSED,
    }
)
"""Kinds that do not go away by waiting."""


class UnclearEnd(LinkError):
    """The broker closed the connection before it answered. Tried again, it may become clear why."""


class _Paho(paho.Client):
    """paho on a connection that is open already."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._wire = wire

    def _create_socket(self) -> Any:
        return self._wire


class BrokerConnection:
    """Starts with its first client and ends with its last.

    password: finds the password of the user in the URL; LinkError where there is none. ended: told when the last client
    has gone. tick_s: how often clients are told that time goes by. What several share comes from `sharing`.
    """

    def __init__(
        self,
        url: MqttUrl,
        password: Callable[[], str | None],
        ended: Callable[[BrokerConnection], None] = lambda _: None,
        tick_s: float = TICK_S,
    ) -> None:
        self.url = url
        self._password = password
        self._secret: str | None = None  # nobody is asked again until it is refused
        self._tick_s = tick_s
        self._held = False
        self._queued_bytes = 0
        self._ended = ended
        self._routes = Routes()
        self._began = False
        self._lock = threading.Lock()  # of beginning and ending
        self._stopping = threading.Event()
        self._mailbox = Mailbox()
        self._paho: _Paho | None = None
        self._wire: Wire | None = None
        self._up = False
        self._refused: LinkError | None = None
        self._subscribing: dict[int, tuple[Client, tuple[str, ...]]] = {}
        self._unclear = 0
        self._error: LinkError | None = None
        self._tick_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"mqtt {url.host}:{url.port}", daemon=True)

    # From any thread

    def attach(self, client: Client) -> bool:
        """Add a client; False if the connection is ending."""
        with self._lock:
            if self._stopping.is_set():
                return False
            self._routes.add(client)
            first, self._began = not self._began, True
        if first:
            self._thread.start()
        else:
            self.post(lambda: self._join_in(client))
        return True

    def detach(self, client: Client, farewell: Callable[[], None] = lambda: None) -> None:
        """Take a client away; the last one ends the connection. farewell: done first, on the connection's thread.
        Waits for the thread's end, 2 s at most, where this was the last client."""
        self.post(farewell)
        self.post(lambda: self._leave(client))
        with self._lock:
            self._routes.remove(client)
            last = not self._routes.all()
            if last:
                self._stopping.set()
        self._mailbox.poke()
        if last:
            self._ended(self)
            if self._thread is not threading.current_thread() and self._thread.is_alive():
                self._thread.join(STOP_S)

    def post(self, command: Callable[[], None]) -> bool:
        """Have something done on the connection's thread; False when too much waits already, or it has ended."""
        return self._mailbox.post(command)

    # On the connection's thread

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message, at most once; False if not connected, or when too much waits to be sent already."""
        client, wire = self._paho, self._wire
        if client is None or wire is None or not self._up:
            return False
        if not client.want_write():
            self._queued_bytes = wire.bytes_sent
        if self._queued_bytes - wire.bytes_sent > BACKLOG_BYTES:
            return False
        self._queued_bytes += len(topic) + len(payload)
        client.publish(topic, payload)
        return True

    @property
    def has_sent_all(self) -> bool:
        """Whether nothing waits to be sent. On the connection's thread."""
        return self._paho is None or not self._paho.want_write()

    def hold(self, held: bool) -> None:
        """Cut the connection without a word, and keep it cut until told otherwise; clients are not told."""
        self._held = held

    def _join_in(self, client: Client) -> None:
        if self._up:
            client.on_up(self)
            self._subscribe(client)
        elif self._error is not None:
            client.on_down(self._error)

    def _leave(self, client: Client) -> None:
        if self._paho is None or not self._up:
            return
        kept = {topic for other in self._routes.all() for topic in other.topics}
        gone = [topic for topic in client.topics if topic not in kept]
        if gone:
            self._paho.unsubscribe(gone)

    def _run(self) -> None:
        attempts = 0
        try:
            while not self._stopping.is_set():
                try:
                    if self._held:
                        self._close()
                        self._rest(self._tick_s)
                        continue
                    self._open()
                    attempts = 0
                    self._serve()
                except Stopped:
                    break
                except Exception as error:
                    if not isinstance(error, LinkError):
                        log.exception("The connection to a broker failed and starts anew")
                        words = f"The connection to {self.url.host} failed within this program. It is tried again."
                        error = LinkError(LinkErrorKind.NO_CONNECTION, words)
                    self._failed(error, RETRY_S[min(attempts, len(RETRY_S) - 1)])
                    attempts += 1
        finally:
            self._say_goodbye()
            self._mailbox.close()

    def _failed(self, error: LinkError, pause_s: float) -> None:
        self._close()
        self._error = error
        for client in self._routes.all():
            client.on_down(error)
        self._sweep()
        self._rest(RETRY_REFUSED_S if error.kind in PERSONAL and not self._unclear else pause_s)

    def _open(self) -> None:
        url = self.url
        if url.user is not None and self._secret is None:
            self._dial().close()  # nobody is asked for the password of a broker that is not there, or is another one
            self._secret = self._password()
        self._wire = Wire(self._dial())
        client = self._paho = _Paho(self._wire)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if url.user is not None:
            client.username_pw_set(url.user, self._secret)
        self._refused = None
        client.connect(url.host, url.port, KEEP_ALIVE_S)
        deadline = time.monotonic() + CONNACK_TIMEOUT_S
        while not self._up:
            if not self._turn(ticking=False):
                raise self._refused or self._closed_before_it_answered()
            if time.monotonic() > deadline:
                raise LinkError(
                    LinkErrorKind.NO_CONNECTION,
                    f"What listens on {url.host}, port {url.port}, does not answer as an MQTT broker. Check the port.",
                )
        self._unclear = 0
        self._error = None
        for one in self._routes.all():
            one.on_up(self)
            self._subscribe(one)

    def _dial(self) -> socket.socket:
        context = dialling.tls_context(self.url) if self.url.scheme == "mqtts" else None
        sock = dialling.connect_tcp(self.url, dialling.resolve(self.url), self._stopping)
        return sock if context is None else dialling.start_tls(sock, self.url, context, self._stopping)

    def _serve(self) -> None:
        while self._turn():
            if self._held:
                return
        raise LinkError(
            LinkErrorKind.NO_CONNECTION,
            f"The connection to the broker {self.url.host} was lost. It is tried again; check that the broker runs.",
        )

    def _turn(self, *, ticking: bool = True) -> bool:
        """Wait for something and do it; False when the connection is lost. Stopped."""
        client, wire = self._paho, self._wire
        if client is None or wire is None:
            return False
        self._mailbox.work()
        if self._stopping.is_set():
            raise Stopped
        rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        if wire.pending():
            rc = client.loop_read()
        else:
            line, woken = wire.fileno(), self._mailbox.fileno()
            try:
                readable, writable, _ = select.select(
                    [line, woken], [line] if client.want_write() else [], [], self._tick_s
                )
            except (OSError, ValueError):  # the socket was closed beneath
                return False
            if woken in readable:
                self._mailbox.drain()
            if line in readable:
                rc = client.loop_read()
            if writable and rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
                rc = client.loop_write()
        if ticking:
            self._tick()
        if rc == MQTTErrorCode.MQTT_ERR_SUCCESS:
            rc = client.loop_misc()
        return rc == MQTTErrorCode.MQTT_ERR_SUCCESS and client.socket() is not None

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._tick_at_s:
            self._tick_at_s = now_s + self._tick_s
            for client in self._routes.all():
                client.on_tick()
            self._sweep()

    def _sweep(self) -> None:
        for client in self._routes.all():
            if client.over:
                self.detach(client)

    def _rest(self, pause_s: float) -> None:
        """Wait before the next attempt; commands and ticks go on."""
        until_s = time.monotonic() + pause_s
        while not self._stopping.is_set() and (left_s := until_s - time.monotonic()) > 0.0:
            readable, _, _ = select.select([self._mailbox], [], [], min(left_s, self._tick_s))
            if readable:
                self._mailbox.drain()
            self._mailbox.work()
            self._tick()

    def _subscribe(self, client: Client) -> None:
        if self._paho is not None and client.topics:
            _, mid = self._paho.subscribe([(topic, 0) for topic in client.topics])
            if mid is not None:
                self._subscribing[mid] = client, client.topics

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not reason.is_failure:
            self._up = True
            return
        self._secret = None
        login = reason.getName() in ("Not authorized", "Bad user name or password")
        who = f"user {self.url.user}" if self.url.user else "clients without a user name"
        self._refused = LinkError(
            LinkErrorKind.LOGIN_REFUSED if login else LinkErrorKind.NO_CONNECTION,
            f"The broker {self.url.host} refuses {who}. Check user name and password."
            if login
            else f"The broker {self.url.host} refuses the connection: {reason.getName().lower()}.",
        )

    def _on_subscribe(
        self, _client: Any, _userdata: Any, mid: int, reasons: Iterable[ReasonCode], _properties: Any
    ) -> None:
        known = self._subscribing.pop(mid, None)
        if known is not None:
            asked, topics = known
            refused = tuple(t for t, reason in zip(topics, reasons, strict=False) if reason.is_failure)
            if asked in self._routes.all():
                asked.on_subscribed(refused)

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        host_time_ns = time.time_ns()
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        for client in self._routes.of(topic):
            if message.retain:
                client.on_kept(topic)
            else:
                client.on_message(topic, bytes(message.payload), host_time_ns)

    def _closed_before_it_answered(self) -> LinkError:
        url, wire = self.url, self._wire
        if wire is not None and dialling.is_about_client_certificate(wire.error):
            assert wire.error is not None
            return dialling.tls_problem(wire.error, url)
        self._unclear += 1
        if self._unclear >= _UNCLEAR_CLOSES:
            if url.scheme == "mqtt":
                return LinkError(
                    LinkErrorKind.NO_CONNECTION,
                    f"What listens on {url.host}, port {url.port}, closes every connection before it answers. Check "
                    "that it is an MQTT broker without TLS.",
                )
            # With TLS 1.3 the handshake ends well and the refusal comes behind it; it can be lost on the way.
            wish = "another client certificate" if url.cert else "a client certificate"
            return LinkError(
                LinkErrorKind.CLIENT_CERTIFICATE,
                f"The broker {url.host} closes every connection before it answers: most likely it wants {wish}. "
                "Add cert=FILE&key=FILE, made by the broker's authority, to its address.",
            )
        return UnclearEnd(
            LinkErrorKind.NO_CONNECTION,
            f"The broker {url.host}, port {url.port}, closed the connection before it answered. It is tried again.",
        )

    def _close(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire = self._paho = None
        self._up = False
        self._subscribing.clear()

    def _say_goodbye(self) -> None:
        client = self._paho
        if client is not None and self._up:
            client.disconnect()
            deadline = time.monotonic() + 0.5
            while client.want_write() and time.monotonic() < deadline:
                if client.loop_write() != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
        self._close()
