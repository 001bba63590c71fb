"""Intervals, measurements and a subscriber for the tests of the community upload."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from app.community.anonymise import TYPES, Interval, group_of, map_keys
from dsp.measurement import Band, Measurement

INTERVAL_S = 600


def last_end_s(now_s: float | None = None) -> int:
    """The end of the last whole 10 minutes."""
    return int(time.time() if now_s is None else now_s) // INTERVAL_S * INTERVAL_S


def interval(end_s: int, number: int = 0) -> Interval:
    """Values that differ with `number`."""
    values = {key: round(1.0 + number % 1000 * 0.01, 2) if group_of(key) == "V" else None for key in map_keys()}
    return Interval(end_s, TYPES[3], values)


def measurement(
    end_s: float,
    *,
    system: str = "3P+N",
    flags: tuple[str, ...] = (),
    module: str | None = "0011223344556677",
    values: dict[str, float | None] | None = None,
    window: str = "10min",
    completeness: float = 1.0,
) -> Measurement:
    """A 10-minute measurement as the engine gives it."""
    if values is None:
        values = {key: 1.0 + index * 0.01234 for index, key in enumerate(map_keys())}
    return Measurement(
        end_ns=round(end_s * 1e9),
        start_s=0.0,
        end_s=600.0,
        system=system,
        window=window,
        flags=flags,
        band=Band(32, 39, 39),
        values=values,
        module=module,
        completeness=completeness,
    )


def wait_for(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Until it holds; AssertionError after so long."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited too long"
        time.sleep(0.005)


class Subscriber:
    """Hears everything on the map's topics over one lasting session, through any number of broker restarts.

    QoS 0, which the broker has to queue (queue_qos0_messages): one that answers would find its connection reset at a
    kill, and what it has not read yet gone with it.
    """

    def __init__(self, port: int, ca: Path | None = None) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.subscribed = 0
        """How often it has been there: its sessions go on after a restart of the broker."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="the-map", clean_session=False, protocol=mqtt.MQTTv311
        )
        if ca is not None:
            client.tls_set(str(ca))
        client.reconnect_delay_set(0.02, 0.02)  # type: ignore[arg-type]
        client.on_connect = lambda *_: client.subscribe("v1/+/devices/+/data", 0)
        client.on_subscribe = lambda *_: self._count()
        client.on_message = lambda _client, _data, message: self.received.append((message.topic, message.payload))
        self._client = client
        self._port = port

    def __enter__(self) -> Subscriber:
        self._client.connect("localhost", self._port)
        self._client.loop_start()
        wait_for(lambda: self.subscribed > 0)
        return self

    def _count(self) -> None:
        self.subscribed += 1

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def documents(self) -> list[dict[str, Any]]:
        """All messages, parsed."""
        return [json.loads(payload) for _, payload in list(self.received)]

    @property
    def ends_s(self) -> list[int]:
        """Time stamps of all messages in the order they came."""
        return [document["payload"]["timestamp"] for document in self.documents]
