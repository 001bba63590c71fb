"""Which modules publish readings at a broker."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from device_io.mqtt.connection import BrokerConnection, UnclearEnd
from device_io.mqtt.module_url import module_url
from device_io.mqtt.passwords import Prompt
from device_io.mqtt.payload import is_payload
from device_io.mqtt.sharing import connect_client
from device_io.mqtt.topics import any_readings, split_topic, topics_of
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url

_MOST = 10_000


class HeardModule(NamedTuple):
    """A module that publishes. url: for a `WifiLink`."""

    token: str
    eui: str
    url: str


def listen_for_modules(
    url: str | MqttUrl,
    *,
    seconds: float | None = 10.0,
    cancel: threading.Event | None = None,
    prompt: Prompt | None = None,
) -> Iterator[HeardModule]:
    """Modules as they are heard, each once, for so many seconds (None: until cancelled).

    url: of the broker. Where it names a module too, and the broker does not allow to read everybody's topics, that one
    alone is listened to.
    :raises LinkError: why the broker can't be listened to; TOPIC_REFUSED where it allows none of it.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    if not isinstance(parsed, MqttUrl):
        raise LinkError(LinkErrorKind.BAD_URL, f"{parsed.text!r} is not the address of a broker. Write mqtts://HOST.")
    cancel = cancel or threading.Event()
    ear = _Ear(parsed)
    connection = connect_client(parsed, ear, prompt)
    end_s = None if seconds is None else time.monotonic() + seconds
    known: set[tuple[str, str]] = set()
    try:
        while not cancel.is_set() and (end_s is None or time.monotonic() < end_s):
            try:
                item = ear.heard.get(timeout=0.1)
            except queue.Empty:
                continue
            if isinstance(item, LinkError):
                raise item
            token, eui = item
            if (token, eui.upper()) not in known:
                known.add((token, eui.upper()))
                yield HeardModule(token, eui.upper(), module_url(replace(parsed, token=token, eui=eui)))
    finally:
        connection.detach(ear)


class _Ear:
    """A `connection.Client`."""

    over = False

    def __init__(self, url: MqttUrl) -> None:
        self._host = url.host
        own = () if url.token is None or url.eui is None else (topics_of(url.token, url.eui).readings,)
        self.topics: tuple[str, ...] = (any_readings(), *own)
        self.heard: queue.Queue[tuple[str, str] | LinkError] = queue.Queue(_MOST)
        self._was_up = False

    def on_up(self, _connection: BrokerConnection) -> None:
        self._was_up = True

    def on_subscribed(self, refused: tuple[str, ...]) -> None:
        if set(refused) == set(self.topics):
            self._put(
                LinkError(
                    LinkErrorKind.TOPIC_REFUSED,
                    f"The broker {self._host} does not allow this user to hear modules. Give the rights on the "
                    "broker, or write the address of one module: /TOKEN/EUI behind the host.",
                )
            )

    def on_kept(self, topic: str) -> None:
        pass

    def on_down(self, error: LinkError) -> None:
        if not self._was_up and not isinstance(error, UnclearEnd):
            self._put(error)

    def on_tick(self) -> None:
        pass

    def on_message(self, topic: str, payload: bytes, _host_time_ns: int) -> None:
        parts = split_topic(topic)
        if parts is not None and is_payload(payload):
            self._put(parts[:2])

    def _put(self, item: tuple[str, str] | LinkError) -> None:
        if not self.heard.full():
            self.heard.put_nowait(item)
