"""What the embedded broker adds to the library's: logins and topic rights (loaded by name), sizes of its queues, and a
clean end."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import time
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from device_io.mqtt.accounts import Accounts

log = logging.getLogger(__name__)

NAME = f"{__name__}.AccountsPlugin"
MOST_MESSAGES = 1000
"""What may wait: of one client, of all together on their way to others, and for a client that is away."""
BACKLOG_BYTES, SLOW_S = 65_536, 10.0
"""A client that has had so much waiting for so long, or has when too many messages wait, is cut off."""
_LOOK_S = 0.25
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class AccountsPlugin(BaseAuthPlugin, BaseTopicPlugin):  # type: ignore[misc]
    """Logins and topic rights as `Accounts` has them."""

    @dataclass
    class Config:
        """accounts: an `Accounts`."""

        accounts: Any

    def __init__(self, context: BaseContext) -> None:
        super().__init__(context)
        self._accounts: Accounts = self.config.accounts

    async def authenticate(self, *, session: Session) -> bool:
        """Whether the login is right. What the session sends waits in a queue that has a size from here on."""
        session.delivered_message_queue = asyncio.Queue(MOST_MESSAGES)
        return self._accounts.is_right(session.username, session.password)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether the session may use the topic, for whatever it wants to do there."""
        del action
        return session is not None and topic is not None and self._accounts.may_use(session.username, topic)


class BoundedBroker(Broker):  # type: ignore[misc]
    """No client can make it grow: one that reads too slowly is cut off, of one that sends too fast messages are lost.
    Closes every connection whose client is done with, or that is open when it ends; the library leaves some.

    It reaches into the library (0.12): `_broadcast_queue` and `_tasks_queue` hold what is on its way to clients."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: dict[asyncio.StreamWriter, float] = {}  # since when its backlog is too long, else infinite
        self._broadcast_queue: asyncio.Queue[Any] = asyncio.Queue(MOST_MESSAGES)
        self._guard: asyncio.Task[None] | None = None

    @classmethod
    def _split_bindaddr_port(cls, port_str: str, default_port: int) -> tuple[str | None, int]:
        """Without the brackets of an IPv6 address, which the library hands on to the system."""
        address, port = super()._split_bindaddr_port(port_str, default_port)
        return address and address.strip("[]"), port

    async def start(self) -> None:
        """Take connections."""
        await super().start()
        self._guard = asyncio.create_task(self._watch())

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """A client connected; returns when it is gone."""
        self._open[writer] = math.inf
        _notice_its_end(writer.get_extra_info("socket"))
        try:
            await super().stream_connected(reader, writer, listener_name)
        finally:
            del self._open[writer]
            writer.transport.abort()

    async def shutdown(self) -> None:
        """End, with all connections."""
        if self._guard is not None:
            self._guard.cancel()
        for writer in self._open:
            writer.transport.abort()
        await super().shutdown()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._cut_off_the_slow(time.monotonic())

    def _cut_off_the_slow(self, now_s: float) -> None:
        for writer, since_s in self._open.items():
            waiting = writer.transport.get_write_buffer_size()
            self._open[writer] = math.inf if waiting <= BACKLOG_BYTES else min(since_s, now_s)
            if now_s - self._open[writer] > SLOW_S or (
                waiting > BACKLOG_BYTES and len(self._tasks_queue) > MOST_MESSAGES
            ):
                log.info("A client at %s reads too slowly and was cut off.", writer.get_extra_info("peername"))
                writer.transport.abort()

    async def _retain_broadcast_message(self, broadcast: Any, qos: int, target_session: Session) -> None:
        """Keep a message for a client that is away, while there is room."""
        if target_session.retained_messages.qsize() < MOST_MESSAGES:
            await super()._retain_broadcast_message(broadcast, qos, target_session)


def _notice_its_end(connection: socket.socket) -> None:
    """Have the system end a connection within a minute whose client is gone without a word, as a module without power:
    the library does not look at MQTT's own keep alive."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        option = getattr(socket, name, None)  # not every system has all of them
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
