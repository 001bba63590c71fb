"""One connection to the broker: made new for each day of intervals, without anything that links it to another."""

from __future__ import annotations

import select
import ssl
import time
from collections.abc import Callable
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from app.community.anonymise import new_client_id
from app.community.broker import Broker
from device_io.mqtt import dialling
from device_io.mqtt.connection import PERSONAL
from device_io.mqtt.dialling import Stopped, Wire
from device_io.source import LinkError, LinkErrorKind

CONNECT_S = 10.0
KEEPALIVE_S = 30
_LASTING = PERSONAL - {LinkErrorKind.NOT_TLS}
"""What trying again does not change. A broker or a line that dies during the handshake looks like one without TLS."""


class UploadError(Exception):
    """One clear sentence: why nothing is sent and what to do. `permanent`: trying again changes nothing.
    is_login_refused: the broker does not take user or password."""

    def __init__(self, text: str, *, permanent: bool = False, is_login_refused: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent
        self.is_login_refused = is_login_refused


class OldProtocol(UploadError):
    """The broker speaks MQTT 3.1.1 only."""


class _Paho(mqtt.Client):
    """paho on a connection that is open already."""

    wire: Wire | None = None

    def _create_socket(self) -> Any:
        return self.wire


class _Stopping:
    """Asks `stopped` as a threading.Event is asked."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self.is_set = stopped


class Session:
    """An MQTT connection with a clean start (paho's default for a first one), without a will, under a client id of its
    own. All of it runs in the caller's thread, within `open` and `loop`; it ends soon after `stopped` is True."""

    def __init__(
        self,
        broker: Broker,
        password: str | None,
        context: ssl.SSLContext | None,
        *,
        mqtt5: bool,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._broker = broker
        self._context = context
        self._stopping: Any = _Stopping(stopped)
        self._mqtt5 = mqtt5
        self._connected = False
        self._refused: UploadError | None = None
        self._acknowledged = False
        client = _Paho(
            CallbackAPIVersion.VERSION2,
            client_id=new_client_id(),
            protocol=mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        if broker.user is not None:
            client.username_pw_set(broker.user, password)
        self._client = client

    def open(self) -> None:
        """Connect; UploadError if that fails within 10 s, or it was stopped."""
        try:
            self._client.wire = self._dial()
            self._client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE_S)
            deadline_s = time.monotonic() + CONNECT_S
            while not self._connected:
                if time.monotonic() > deadline_s:
                    raise UploadError(
                        f"{self._broker.address} takes the connection but does not answer; check that it is an MQTT "
                        "broker."
                    )
                if self._stopping.is_set():
                    raise Stopped
                self._step(0.1)
        except LinkError as wrong:
            raise UploadError(str(wrong), permanent=wrong.kind in _LASTING) from None
        except Stopped:
            raise UploadError("Sending was stopped; what is not acknowledged waits.") from None

    def _dial(self) -> Wire:
        """TCP and TLS, step by step as the WiFi link does it. LinkError, Stopped."""
        url = self._broker.url
        sock = dialling.connect_tcp(url, dialling.resolve(url), self._stopping)
        if self._context is not None:
            sock = dialling.start_tls(sock, url, self._context, self._stopping)
        return Wire(sock)

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message over, QoS 1, not retained: the next one only after `loop` was True. UploadError if the
        connection is lost."""
        self._acknowledged = False
        if self._client.publish(topic, payload, qos=1).rc != mqtt.MQTT_ERR_SUCCESS:
            raise self._lost()

    def loop(self, timeout_s: float) -> bool:
        """Send and receive for at most so long; True once the broker has acknowledged the message. UploadError if the
        connection is lost or the message refused."""
        self._step(timeout_s)
        return self._acknowledged

    def close(self) -> None:
        """Say goodbye and let go. May be called at any time, twice too."""
        self._client.on_connect = self._client.on_publish = None
        if self._client.socket() is not None:
            self._client.disconnect()
        if self._client.wire is not None:
            self._client.wire.close()

    def _step(self, timeout_s: float) -> None:
        sock: Any = self._client.socket()
        if sock is None:
            raise self._refused or self._lost()
        code = self._wait(sock, timeout_s)
        if code == mqtt.MQTT_ERR_SUCCESS and not self._acknowledged:
            code = int(self._client.loop_misc())
        if self._refused is not None:
            raise self._refused
        if code != mqtt.MQTT_ERR_SUCCESS and not self._acknowledged:
            raise self._lost()

    def _wait(self, sock: Any, timeout_s: float) -> int:
        """Wait for the socket alone: paho's own loop wakes a second time for each message that it has itself sent."""
        writes = [sock] if self._client.want_write() else []
        is_pending = sock.pending() > 0
        readable, writable, _ = select.select([sock], writes, [], 0.0 if is_pending else timeout_s)
        if writable and (code := self._client.loop_write()) != mqtt.MQTT_ERR_SUCCESS:
            return int(code)
        return int(self._client.loop_read()) if readable or is_pending else mqtt.MQTT_ERR_SUCCESS

    def _lost(self) -> UploadError:
        if not self._connected:
            error = self._client.wire.error if self._client.wire is not None else None
            if error is not None and dialling.is_about_client_certificate(error):
                return UploadError(str(dialling.tls_problem(error, self._broker.url)), permanent=True)
            hint = "; it may want a client certificate (cert= and key=)" if self._broker.tls else ""
            text = f"{self._broker.address} ended the connection before it began{hint}."
            return OldProtocol(text) if self._mqtt5 else UploadError(text)
        return UploadError(f"The connection to {self._broker.address} is lost; what is not acknowledged waits.")

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            self._connected = True
            return
        name = str(reason)
        if "protocol version" in name:
            self._refused = OldProtocol(f"{self._broker.address} does not speak this version of MQTT.")
        elif name in ("Not authorized", "Bad user name or password", "Banned", "Bad authentication method"):
            self._refused = UploadError(
                f"{self._broker.address} refuses this user or password; check both.",
                permanent=True,
                is_login_refused=True,
            )
        else:
            self._refused = UploadError(f"{self._broker.address} refuses the connection: {name}.")

    def _on_publish(self, _client: Any, _data: Any, _mid: int, reason: Any, _properties: Any) -> None:
        if reason is not None and reason.is_failure:
            self._refused = UploadError(
                f"{self._broker.address} does not take the messages ({reason}); ask its operator for the right to "
                "publish to v1/+/devices/+/data.",
                permanent=str(reason) == "Not authorized",
            )
            return
        self._acknowledged = True
