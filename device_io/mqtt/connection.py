"""One connection to a broker, shared by all links to modules behind it: one thread owns it, subscribes again after
every reconnection, and hands messages to its clients.

Clients never block: they are told that the way is open, what arrives, that time goes by, and why the way was cut.
"""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from device_io.mqtt import dialling
from device_io.mqtt.dialling import Stopped, Wire
from device_io.mqtt.passwords import Prompt, find_password
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl

KEEP_ALIVE_S = 20
CONNACK_TIMEOUT_S = 10.0
RETRY_S = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Pauses between attempts to connect; the last one repeats."""
RETRY_REFUSED_S = 30.0
"""Pause after a refusal that only a person can end, so that no account is locked."""
STOP_S = 2.0
TICK_S = 0.25
BACKLOG_BYTES = 262_144
"""What may wait to be sent; further messages are left out."""
_COMMANDS = 4096
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


class Client(Protocol):
    """Who uses a connection; called on its thread. topics: filters to subscribe to. over: it has failed and wants no
    more."""

    @property
    def topics(self) -> tuple[str, ...]: ...

    @property
    def over(self) -> bool: ...

    def on_up(self, connection: BrokerConnection) -> None:
        """Connected; the subscriptions are on their way."""

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        """The broker answered to the subscriptions; `refused`: those it does not allow."""

    def on_message(self, topic: str, payload: bytes, host_time_ns: int) -> None:
        """A message on one of the topics."""

    def on_down(self, error: LinkError) -> None:
        """No connection, for this reason; it is tried again."""

    def on_tick(self) -> None:
        """Four times a second."""


class _Paho(paho.Client):
    """paho on a connection that is open already."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        self._wire = wire

    def _create_socket(self) -> Any:
        return self._wire


class BrokerConnection:
    """Starts with its first client and ends with its last. Made by `connect_client`."""

    def __init__(
        self,
        url: MqttUrl,
        password: Callable[[], str | None],
        ended: Callable[[BrokerConnection], None] = lambda _: None,
        tick_s: float = TICK_S,
    ) -> None:
        self.url = url
        self._password = password
        self._tick_s = tick_s
        self._held = False
        self._queued_bytes = 0
        self._ended = ended
        self._clients: list[Client] = []
        self._routes: dict[str, list[Client]] = {}
        self._wildcards: dict[str, list[Client]] = {}
        self._lock = threading.Lock()  # of the clients and their routes
        self._commands: queue.Queue[Callable[[], None]] = queue.Queue(_COMMANDS)
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._paho: _Paho | None = None
        self._wire: Wire | None = None
        self._up = self._over = False
        self._refused: LinkError | None = None
        self._subscribing: dict[int, tuple[Client, tuple[str, ...]]] = {}
        self._unclear = 0
        self._error: LinkError | None = None
        self._bytes_before = 0
        self._tick_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"mqtt {url.host}:{url.port}", daemon=True)

    @property
    def bytes_received(self) -> int:
        """Since the start, of all clients together, MQTT's own included."""
        return self._bytes_before + (self._wire.bytes_received if self._wire else 0)

    # From any thread

    def attach(self, client: Client) -> bool:
        """Add a client; False if the connection is ending."""
        with self._lock:
            if self._stopping.is_set():
                return False
            self._clients.append(client)
            self._route()
            first = len(self._clients) == 1 and not self._thread.is_alive()
        if first:
            self._thread.start()
        else:
            self.post(lambda: self._join_in(client))
        return True

    def detach(self, client: Client, farewell: Callable[[], None] | None = None) -> None:
        """Take a client away; the last one ends the connection. farewell: done first, on the connection's thread, if it
        is up. Waits for the thread's end, 2 s at most, where this was the last client."""
        if farewell is not None:
            self.post(lambda: farewell() if self._up else None)
        self.post(lambda: self._leave(client))
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)
                self._route()
            last = not self._clients
            if last:
                self._stopping.set()
            if not self._over:
                self._poke()
        if last:
            self._ended(self)
            if self._thread is not threading.current_thread():
                self._thread.join(STOP_S)

    def post(self, command: Callable[[], None]) -> bool:
        """Have something done on the connection's thread; False when too much waits already, or it has ended."""
        with self._lock:
            if self._over:
                return False
            try:
                self._commands.put_nowait(command)
            except queue.Full:
                return False
            self._poke()
        return True

    def _poke(self) -> None:
        with contextlib.suppress(OSError):  # full, so it will wake; or closed
            self._wake.send(b"\0")

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
        kept = {topic for other in self._all() for topic in other.topics}
        gone = [topic for topic in client.topics if topic not in kept]
        if gone:
            self._paho.unsubscribe(gone)

    def _all(self) -> list[Client]:
        with self._lock:
            return list(self._clients)

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
                except LinkError as error:
                    self._close()
                    self._error = error
                    for client in self._all():
                        client.on_down(error)
                    self._sweep()
                    pause_s = RETRY_S[min(attempts, len(RETRY_S) - 1)]
                    if error.kind in PERSONAL and not self._unclear:
                        pause_s = RETRY_REFUSED_S
                    attempts += 1
                    self._rest(pause_s)
        finally:
            self._say_goodbye()
            with self._lock:
                self._over = True
                self._wake.close()
                self._woken.close()
            self._commands_due()

    def _open(self) -> None:
        url = self.url
        password = self._password()
        context = dialling.tls_context(url) if url.scheme == "mqtts" else None
        sock = dialling.connect_tcp(url, dialling.resolve(url), self._stopping)
        if context is not None:
            sock = dialling.start_tls(sock, url, context, self._stopping)
        self._wire = Wire(sock)
        client = self._paho = _Paho(self._wire)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        if url.user is not None:
            client.username_pw_set(url.user, password)
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
        for one in self._all():
            one.on_up(self)
            self._subscribe(one)

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
        self._commands_due()
        if self._stopping.is_set():
            raise Stopped
        rc = MQTTErrorCode.MQTT_ERR_SUCCESS
        if wire.pending():
            rc = client.loop_read()
        else:
            line, woken = wire.fileno(), self._woken.fileno()
            try:
                readable, writable, _ = select.select(
                    [line, woken], [line] if client.want_write() else [], [], self._tick_s
                )
            except (OSError, ValueError):  # the socket was closed beneath
                return False
            if woken in readable:
                self._drain()
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
            for client in self._all():
                client.on_tick()
            self._sweep()

    def _sweep(self) -> None:
        for client in self._all():
            if client.over:
                self.detach(client)

    def _rest(self, pause_s: float) -> None:
        """Wait before the next attempt; commands and ticks go on."""
        until_s = time.monotonic() + pause_s
        while not self._stopping.is_set() and (left_s := until_s - time.monotonic()) > 0.0:
            readable, _, _ = select.select([self._woken], [], [], min(left_s, self._tick_s))
            if readable:
                self._drain()
            self._commands_due()
            self._tick()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while self._woken.recv(4096):
                pass

    def _commands_due(self) -> None:
        while True:
            try:
                command = self._commands.get_nowait()
            except queue.Empty:
                return
            command()

    def _subscribe(self, client: Client) -> None:
        if self._paho is not None and client.topics:
            _, mid = self._paho.subscribe([(topic, 0) for topic in client.topics])
            if mid is not None:
                self._subscribing[mid] = client, client.topics

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if not reason.is_failure:
            self._up = True
            return
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
            if asked in self._all():
                asked.on_subscribed(refused)

    def _on_message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        host_time_ns = time.time_ns()
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        for client in self._clients_of(topic):
            client.on_message(topic, bytes(message.payload), host_time_ns)

    def _clients_of(self, topic: str) -> list[Client]:
        with self._lock:
            found = list(self._routes.get(topic, ()))
            for wanted, clients in self._wildcards.items():
                if paho.topic_matches_sub(wanted, topic):
                    found += [client for client in clients if client not in found]
        return found

    def _route(self) -> None:
        """Under the lock, after every change of the clients."""
        self._routes, self._wildcards = {}, {}
        for client in self._clients:
            for topic in client.topics:
                where = self._wildcards if "+" in topic or "#" in topic else self._routes
                where.setdefault(topic, []).append(client)

    def _closed_before_it_answered(self) -> LinkError:
        url, wire = self.url, self._wire
        if wire is not None and dialling.is_about_client_certificate(wire.error):
            assert wire.error is not None
            return dialling.tls_problem(wire.error, url)
        self._unclear += 1
        if url.scheme == "mqtts" and url.cert is None and self._unclear >= _UNCLEAR_CLOSES:
            # With TLS 1.3 the handshake ends well and the refusal comes behind it; it can be lost on the way.
            return LinkError(
                LinkErrorKind.CLIENT_CERTIFICATE,
                f"The broker {url.host} closes every connection before it answers: most likely it wants a client "
                "certificate. Add cert=FILE&key=FILE to its address.",
            )
        return LinkError(
            LinkErrorKind.NO_CONNECTION,
            f"The broker {url.host}, port {url.port}, closed the connection before it answered. It is tried again.",
        )

    def _close(self) -> None:
        if self._wire is not None:
            self._bytes_before += self._wire.bytes_received
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


_shared: dict[tuple[object, ...], BrokerConnection] = {}
_shared_lock = threading.Lock()


def connect_client(url: MqttUrl, client: Client, prompt: Prompt | None = None) -> BrokerConnection:
    """Attach a client to the connection with this broker under this identity; opens it where there is none."""
    key = (url.scheme, url.host, url.port, url.user, url.ca, url.cert, url.key, prompt)

    def forget(ended: BrokerConnection) -> None:
        with _shared_lock:
            if _shared.get(key) is ended:
                del _shared[key]

    while True:
        with _shared_lock:
            connection = _shared.get(key)
            if connection is None:
                connection = _shared[key] = BrokerConnection(url, lambda: find_password(url, prompt), forget)
        if connection.attach(client):
            return connection
        forget(connection)
