"""The broker doctor: every link of the chain from this computer to a module's message, looked at in turn."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime

from device_io.doctor import Check
from device_io.mqtt import dialling
from device_io.mqtt.burst import BURST_INTERVAL_S
from device_io.mqtt.connection import BrokerConnection, UnclearEnd
from device_io.mqtt.dialling import Stopped
from device_io.mqtt.passwords import Prompt, find_password
from device_io.mqtt.payload import PayloadError, decode_payload
from device_io.mqtt.topics import any_readings, split_topic, topics_of
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url

ADDRESS, CONNECTION, ENCRYPTION, LOGIN, RIGHTS, MESSAGE = (
    "Address",
    "Connection",
    "Encryption",
    "Login",
    "Rights",
    "Message",
)
NAMES = (ADDRESS, CONNECTION, ENCRYPTION, LOGIN, RIGHTS, MESSAGE)
"""The links of the chain in their order; each check bears one of these names."""
EXPIRES_SOON_DAYS = 14
_LOGIN_S = 15.0
_QUIET_S = BURST_INTERVAL_S + 2.0
"""A module that is silent for so long is not in burst mode: the message that begins it does not end it."""
LISTEN_S = 2.0 * _QUIET_S


def examine_broker(
    url: str | MqttUrl,
    *,
    listen_s: float = LISTEN_S,
    prompt: Prompt | None = None,
    stop: threading.Event | None = None,
) -> list[Check]:
    """Look at every link of the chain, as far as the first bad one; six checks, those behind it unknown.

    url: of a broker (any module's message will do) or of a module. listen_s: how long to wait for a message; one
    that is silent for half of the usual time is asked to publish more often.
    :raises LinkError: (BAD_URL) for what is no such URL.
    """
    return list(broker_checks(url, listen_s=listen_s, prompt=prompt, stop=stop))


def broker_checks(
    url: str | MqttUrl,
    *,
    listen_s: float = LISTEN_S,
    prompt: Prompt | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Check]:
    """The same, each as soon as it is known."""
    parsed = parse_url(url) if isinstance(url, str) else url
    if not isinstance(parsed, MqttUrl):
        raise LinkError(LinkErrorKind.BAD_URL, f"{parsed.text!r} is not the address of a broker. Write mqtts://HOST.")
    seen: list[str] = []
    examination = _Examination(parsed, listen_s, prompt, stop or threading.Event())
    for check in examination.run():
        seen.append(check.name)
        yield check
    for name in NAMES[len(seen) :]:
        yield Check(name, "unknown", "Not looked at: what stands above comes first.")


class _Examination:
    def __init__(self, url: MqttUrl, listen_s: float, prompt: Prompt | None, stop: threading.Event) -> None:
        self._url = url
        self._listen_s = listen_s
        self._prompt = prompt
        self._stop = stop

    def run(self) -> Iterator[Check]:
        """Checks up to the first bad one."""
        url = self._url
        name = ADDRESS
        try:
            addresses = dialling.resolve(url)
            yield Check(ADDRESS, "ok", f"{url.host} is {addresses[0][1][0]}.")
            name = CONNECTION
            sock = dialling.connect_tcp(url, addresses, self._stop)
            yield Check(CONNECTION, "ok", f"Something listens on port {url.port}.")
            name = ENCRYPTION
            if url.scheme != "mqtts":
                sock.close()
                yield Check(
                    ENCRYPTION, "warn", "The connection is not encrypted.", "Use mqtts:// beyond this computer."
                )
            else:
                try:
                    secured = dialling.start_tls(sock, url, dialling.tls_context(url), self._stop)
                except BaseException:
                    sock.close()
                    raise
                check = _encryption(secured)
                secured.close()
                yield check
            name = LOGIN
            password = find_password(url, self._prompt)
        except LinkError as error:
            yield _bad(name, error)
            return
        except Stopped:
            return
        yield from self._listen(password)

    def _listen(self, password: str | None) -> Iterator[Check]:
        listener = _Listener(self._url)
        connection = BrokerConnection(self._url, lambda: password)
        connection.attach(listener)
        try:
            if not self._wait(listener.logged_in, _LOGIN_S):
                return
            if listener.error is not None:
                # With TLS 1.3 a missing client certificate shows only now.
                about_tls = listener.error.kind == LinkErrorKind.CLIENT_CERTIFICATE
                yield _bad(LOGIN, listener.error, "TLS was agreed, then refused: " if about_tls else "")
                return
            who = f"user {self._url.user}" if self._url.user else "without a user name"
            yield Check(LOGIN, "ok", f"The broker accepts the login {who}.")
            if not self._wait(listener.answered, _LOGIN_S):
                return
            if listener.refused:
                yield Check(
                    RIGHTS,
                    "bad",
                    f"The broker does not allow to read {listener.wanted}.",
                    "Give this user the right on the broker, and check token and EUI.",
                )
                return
            yield Check(RIGHTS, "ok", f"The broker accepts the subscription to {listener.wanted}.")
            left_s = self._listen_s - _QUIET_S
            if not self._wait(listener.heard, min(_QUIET_S, self._listen_s)) and left_s > 0.0:
                connection.post(lambda: listener.wake(connection))
                self._wait(listener.heard, left_s)
            yield listener.verdict(self._listen_s)
        finally:
            connection.detach(listener)

    def _wait(self, event: threading.Event, timeout_s: float) -> bool:
        left = timeout_s
        while left > 0.0 and not self._stop.is_set():
            if event.wait(min(left, 0.2)):
                return True
            left -= 0.2
        return event.is_set()


class _Listener:
    """A `connection.Client` that notes how far it comes. It also listens to all modules, where it may."""

    over = False

    def __init__(self, url: MqttUrl) -> None:
        self._eui = url.eui
        everything = any_readings()
        self._topic = None if url.token is None or url.eui is None else topics_of(url.token, url.eui)
        self.wanted = everything if self._topic is None else self._topic.readings
        self.topics: tuple[str, ...] = tuple(dict.fromkeys((self.wanted, everything)))
        self.logged_in, self.answered, self.heard = threading.Event(), threading.Event(), threading.Event()
        self.error: LinkError | None = None
        self.refused = False
        self._problem = ""
        self._kept = self._woken = False
        self._others: set[str] = set()

    def on_up(self, _connection: BrokerConnection) -> None:
        self.error = None
        self.logged_in.set()

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        self.refused = self.wanted in refused
        self.answered.set()

    def on_kept(self, topic: str) -> None:
        self._kept = self._kept or topic == self.wanted or self.wanted == any_readings()

    def on_down(self, error: LinkError) -> None:
        if self.logged_in.is_set() or isinstance(error, UnclearEnd):
            return  # it is tried again until it is clear why
        self.error = error
        self.logged_in.set()

    def on_tick(self) -> None:
        pass

    def on_message(self, topic: str, payload: bytes, _host_time_ns: int) -> None:
        parts = split_topic(topic)
        if topic != self.wanted and self.wanted != any_readings():
            if parts is not None:
                self._others.add(f"{parts[0]}/{parts[1]}")
            return
        try:
            self._problem = decode_payload(payload).implausible
        except PayloadError as error:
            self._problem = str(error)
        self.heard.set()

    def wake(self, connection: BrokerConnection) -> None:
        """Ask a module that says nothing to publish more often. On the connection's thread."""
        if self._topic is not None and not self.heard.is_set():
            self._woken = connection.publish(self._topic.config, b"burst")

    def verdict(self, listen_s: float) -> Check:
        """What was heard."""
        whom = f"module {self._eui}" if self._eui else "any module"
        if self._problem:
            problem = self._problem.rstrip(".")
            return Check(MESSAGE, "warn", f"A message of {whom} came, but it can't be right: {problem}.")
        if self.heard.is_set():
            seldom = " It publishes seldom and was asked to do so more often (burst mode)." if self._woken else ""
            return Check(MESSAGE, "ok", f"A message of {whom} came.{seldom}")
        text = f"No message of {whom} came in {listen_s:.0f} s."
        if self._others:
            there = ", ".join(sorted(self._others)[:5])
            return Check(
                MESSAGE,
                "bad",
                f"{text} Others are heard: {there}.",
                "Compare token and EUI with these; upper and lower case count.",
            )
        if self._kept:
            text += " The broker only keeps an old one (retained)."
        return Check(
            MESSAGE,
            "bad",
            text,
            "Check the module's power, WiFi, broker address and password. Some brokers also keep quiet about topics "
            "that a user may not read: check its rights there.",
        )


def _encryption(secured: ssl.SSLSocket) -> Check:
    certificate = secured.getpeercert() or {}
    end = str(certificate.get("notAfter", ""))
    days = (ssl.cert_time_to_seconds(end) - datetime.now(UTC).timestamp()) / 86_400 if end else 1e9
    text = f"{secured.version()}; the certificate is for this host, signed by a known authority, and valid"
    if days < EXPIRES_SOON_DAYS:
        return Check(
            ENCRYPTION, "warn", f"{text} for {days:.0f} more days.", "Have the broker's certificate renewed in time."
        )
    return Check(ENCRYPTION, "ok", f"{text}.")


def _bad(name: str, error: LinkError, before: str = "") -> Check:
    text, dot, advice = str(error).partition(". ")
    return Check(name, "bad", before + text + ("." if dot else ""), advice)
