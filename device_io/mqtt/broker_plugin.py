"""What the embedded broker adds to the library's: logins and topic rights (loaded by name), and a clean end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BaseContext
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from device_io.mqtt.accounts import Accounts

NAME = f"{__name__}.AccountsPlugin"


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
        """Whether the login is right."""
        return self._accounts.is_right(session.username, session.password)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """Whether the session may use the topic, for whatever it wants to do there."""
        del action
        return session is not None and topic is not None and self._accounts.may_use(session.username, topic)


class ClosingBroker(Broker):  # type: ignore[misc]
    """Closes every connection whose client is done with, or that is open when it ends; the library leaves some."""

    _open: set[asyncio.StreamWriter] | None = None

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """A client connected; returns when it is gone."""
        if self._open is None:
            self._open = set()
        self._open.add(writer)
        try:
            await super().stream_connected(reader, writer, listener_name)
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def shutdown(self) -> None:
        """End, with all connections."""
        for writer in self._open or ():
            writer.transport.abort()
        await super().shutdown()
