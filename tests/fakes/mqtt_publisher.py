"""A client of its own that publishes what a module would, and values that a sound module could send."""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode


class Broker(Protocol):
    """Where to connect: TLS where there is an authority."""

    @property
    def port(self) -> int: ...
    @property
    def ca(self) -> Path | None: ...


class Place(NamedTuple):
    """A broker by its port and authority."""

    port: int
    ca: Path | None


_PATIENCE_S = 30.0


class _Client(paho.Client):
    """paho closes the TCP socket of a TLS handshake that fails, as it does while a broker restarts, only by chance."""

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        context = self._ssl_context
        assert context is not None
        secured = context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            secured.settimeout(_PATIENCE_S)
            secured.do_handshake()
        except BaseException:
            with contextlib.suppress(OSError):
                secured.close()
            raise
        return secured


class Publisher:
    """A connected client for the time of a `with` block. received: (topic, payload) of what it subscribed to."""

    def __init__(self, broker: Broker, user: str | None = None, password: str | None = None) -> None:
        self._broker = broker
        self._client = _Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]
        self._client.connect_timeout = _PATIENCE_S
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self.received: list[tuple[str, bytes]] = []

    def __enter__(self) -> Publisher:
        host = "127.0.0.1"
        if self._broker.ca is not None:
            self._client.tls_set(ca_certs=str(self._broker.ca))
            host = "localhost"
        up = threading.Event()
        self._client.on_connect = lambda *_: up.set()
        self._client.on_message = self._keep
        self._client.connect(host, self._broker.port)
        self._client.loop_start()
        assert up.wait(_PATIENCE_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(_PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho leaves the pair of sockets that wakes its loop open

    def publish(self, topic: str, payload: bytes) -> None:
        """Once, and wait until it has left."""
        self._client.publish(topic, payload).wait_for_publish(_PATIENCE_S)

    def repeat(self, topic: str, payload: bytes, every_s: float) -> None:
        """Again and again until the end of the block."""

        def run() -> None:
            while not self._stopping.wait(every_s):
                self._client.publish(topic, payload)

        thread = threading.Thread(target=run, daemon=True)
        self._threads.append(thread)
        thread.start()

    def subscribe(self, topic: str) -> None:
        """Keep what comes on this topic; returns once the broker has agreed."""
        agreed = threading.Event()
        self._client.on_subscribe = lambda *_: agreed.set()
        self._client.subscribe(topic)
        assert agreed.wait(_PATIENCE_S)

    def is_refused(self, topic: str) -> bool:
        """Whether the broker refuses a subscription."""
        answers: list[bool] = []
        answered = threading.Event()

        def note(_client: object, _userdata: object, _mid: int, reasons: list[ReasonCode], _properties: object) -> None:
            answers.append(any(reason.is_failure for reason in reasons))
            answered.set()

        self._client.on_subscribe = note
        self._client.subscribe(topic)
        assert answered.wait(_PATIENCE_S)
        return answers[0]

    def wait_for(self, count: int, timeout_s: float = _PATIENCE_S) -> None:
        """Until so many messages have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout_s)

    def wait_for_silence(self, seconds: float, timeout_s: float = _PATIENCE_S) -> None:
        """Until nothing has come for so long."""
        deadline_s = time.monotonic() + timeout_s
        with self._changed:
            while self._changed.wait(seconds):
                assert time.monotonic() < deadline_s, "messages go on"

    def _keep(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.received.append((message.topic, bytes(message.payload)))
            self._changed.notify_all()


def sound_values(
    system: str = "3P+N", u_v: float = 230.0, i_a: float = 10.0, angle_deg: float = 30.0
) -> dict[str, float]:
    """A balanced load, worked out by hand: what a sound module would send, in the table's units."""
    phases = ("1", "2", "3") if system.startswith("3P") else ("1",)
    cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    values: dict[str, float] = {}
    for p in phases:
        values |= {f"V{p}r": u_v, f"I{p}r": i_a, f"SP{p}": u_v * i_a, f"PF{p}i": cos, f"Fq{p}i": 50.0}
        values |= {f"P{p}": u_v * i_a * cos, f"fSP{p}": u_v * i_a * sin, f"phi{p}": angle_deg}
        values |= {f"THV{p}": 2.5, f"THI{p}": 12.25, f"{p}V1": 100.0, f"{p}I1": 100.0, f"{p}V5": 2.5, f"{p}I5": 12.25}
    count = len(phases)
    values |= {"Pc": count * u_v * i_a * cos, "SPc": count * u_v * i_a, "fSPc": count * u_v * i_a * sin, "Fqai": 50.0}
    if count == 3:
        values |= {key: u_v * math.sqrt(3.0) for key in ("V12r", "V23r", "V31r")}
        values |= {"Prot": 1.0, "V12a": 120.0, "V23a": 120.0, "V31a": 120.0}
    return values
