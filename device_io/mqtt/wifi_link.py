"""The link to a module behind a broker: its published readings; settings and waveforms where its firmware has them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar, cast

from device_io.mqtt.connection import BrokerConnection
from device_io.mqtt.jobs import Failed
from device_io.mqtt.module_client import ModuleClient
from device_io.mqtt.passwords import Prompt
from device_io.mqtt.requests import Request
from device_io.mqtt.sharing import connect_client
from device_io.sensix_link.messages import (
    Message,
    SettingsRead,
    SettingsReply,
    SettingsWrite,
)
from device_io.source import LinkError, LinkErrorKind, Readings, Setting, Sink
from device_io.urls import MqttUrl, parse_url

Result = TypeVar("Result")


class WifiLink:
    """A `device_io.source.ModuleLink` to a module behind a broker.

    url: `mqtts://[USER@]HOST[:PORT]/TOKEN/EUI[?ca=FILE&cert=FILE&key=FILE]`. reconnect: after a failure keep trying
    until stopped (phase LOST); only where nothing but a person can help (wrong password, certificate, address) a link
    that never came about ends with FAILED; without it, any failure does. silent_s: how long a module may say nothing.
    stream: take its waveforms where it has them. prompt: asks a person for the password (`passwords.Prompt`).

    Links to modules behind the same broker, with the same user and files, share one connection and its thread.
    """

    def __init__(
        self,
        url: str | MqttUrl,
        *,
        reconnect: bool = True,
        silent_s: float = 15.0,
        stream: bool = True,
        prompt: Prompt | None = None,
    ) -> None:
        """:raises LinkError: (BAD_URL) for what is not the URL of a module behind a broker."""
        parsed = parse_url(url) if isinstance(url, str) else url
        if not isinstance(parsed, MqttUrl) or not parsed.is_module:
            raise LinkError(
                LinkErrorKind.BAD_URL,
                f"{parsed.text!r} is not the address of a module over WiFi. Write mqtts://USER@HOST/TOKEN/EUI.",
            )
        self._url = parsed
        self._prompt = prompt
        self._make_client: Callable[[Sink], ModuleClient] = lambda sink: ModuleClient(
            parsed, sink, reconnect=reconnect, silent_s=silent_s, stream=stream
        )
        self._client: ModuleClient | None = None
        self._connection: BrokerConnection | None = None
        self._lock = threading.Lock()

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Returns at once; failures arrive as a state. A link is started once."""
        with self._lock:
            if self._client is not None:
                raise RuntimeError("the link was started before")
            self._client = self._make_client(sink)
            self._client.begin()
            self._connection = connect_client(self._url, self._client, self._prompt)

    def stop(self) -> None:
        """End within 2 s. Nothing is delivered after it returns. May be called twice."""
        with self._lock:
            client, connection = self._client, self._connection
            self._connection = None
        if client is not None and connection is not None:
            client.end()
            connection.detach(client, client.farewell)

    def read_settings(self) -> Future[Mapping[str, Setting]]:
        """All settings of the module."""
        return self._settings(SettingsRead)

    def write_settings(self, values: Mapping[str, Setting]) -> Future[Mapping[str, Setting]]:
        """Change settings, all or none; the result is all settings as they then stand."""
        wanted = dict(values)
        return self._settings(lambda request_id: SettingsWrite(request_id, wanted))

    def read_readings(self) -> Future[Readings]:
        """The module's own readings: now, or its next message where it can't be asked."""
        return self._post(lambda client, done, failed: client.read_readings(done, failed))

    def set_burst(self, on: bool) -> Future[bool]:
        """Switch burst mode (for 20 s a message every 5 s); the result is whether that took a message. Any message on
        the topic toggles the mode, so none is sent when the module's messages already come as wanted."""
        return self._post(lambda client, done, failed: client.set_burst(on, done, failed))

    def _settings(self, make: Callable[[int], Message]) -> Future[Mapping[str, Setting]]:
        def ask(client: ModuleClient, done: Callable[[Mapping[str, Setting]], None], failed: Failed) -> None:
            client.ask(Request(make, SettingsReply, lambda reply: done(cast(SettingsReply, reply).values), failed))

        return self._post(ask)

    def _post(self, work: Callable[[ModuleClient, Callable[[Result], None], Failed], None]) -> Future[Result]:
        """Have a job done by the connection's thread; `work` calls one of the two it is given, then or later."""
        future: Future[Result] = Future()

        def done(result: Result) -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(result)

        def failed(error: LinkError) -> None:
            if future.set_running_or_notify_cancel():
                future.set_exception(error)

        client, connection = self._client, self._connection
        if client is None or connection is None or not connection.post(lambda: work(client, done, failed)):
            why = client.why_over if client is not None else None
            failed(why or LinkError(LinkErrorKind.REFUSED, "The link is not open."))
        return future
