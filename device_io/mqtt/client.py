"""Who uses a broker connection, and which message goes to whom."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from paho.mqtt.client import topic_matches_sub

from device_io.source import LinkError

if TYPE_CHECKING:
    from device_io.mqtt.connection import BrokerConnection


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

    def on_kept(self, topic: str) -> None:
        """The broker had kept a message on one of the topics. Nobody knows how old it is: it tells nothing of now."""

    def on_down(self, error: LinkError) -> None:
        """No connection, for this reason; it is tried again."""

    def on_tick(self) -> None:
        """Four times a second."""


class Routes:
    """The clients of a connection in the order in which they came. Safe for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: list[Client] = []
        self._exact: dict[str, list[Client]] = {}
        self._wildcards: dict[str, list[Client]] = {}

    def add(self, client: Client) -> None:
        """One more."""
        with self._lock:
            self._clients.append(client)
            self._sort()

    def remove(self, client: Client) -> None:
        """One less, if it is there."""
        with self._lock:
            if client in self._clients:
                self._clients.remove(client)
                self._sort()

    def all(self) -> list[Client]:
        """Every client."""
        with self._lock:
            return list(self._clients)

    def of(self, topic: str) -> list[Client]:
        """Those that want messages of this topic."""
        with self._lock:
            found = list(self._exact.get(topic, ()))
            for wanted, clients in self._wildcards.items():
                if topic_matches_sub(wanted, topic):
                    found += [client for client in clients if client not in found]
        return found

    def _sort(self) -> None:
        self._exact, self._wildcards = {}, {}
        for client in self._clients:
            for topic in client.topics:
                where = self._wildcards if "+" in topic or "#" in topic else self._exact
                where.setdefault(topic, []).append(client)
