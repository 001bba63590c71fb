"""One connection for all who want the same broker under the same identity."""

from __future__ import annotations

import threading

from device_io.mqtt.client import Client
from device_io.mqtt.connection import BrokerConnection
from device_io.mqtt.passwords import Prompt, find_password
from device_io.urls import MqttUrl

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
