"""The program's own broker, for the time of a `with` block, on a loopback port that is its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from device_io.mqtt.embedded_broker import BrokerFailure, EmbeddedBroker
from tests.fakes.mosquitto import free_port

_ATTEMPTS = 5


@contextmanager
def embedded_broker(folder: Path) -> Iterator[EmbeddedBroker]:
    """A running broker. Another program may take a free port before it does: then it takes another one."""
    broker = EmbeddedBroker(folder, free_port(), "127.0.0.1")
    for left in reversed(range(_ATTEMPTS)):
        try:
            broker.start()
            break
        except BrokerFailure as failure:
            if not left or "can't be listened on" not in str(failure):
                raise
            broker = EmbeddedBroker(folder, free_port(), "127.0.0.1")
    try:
        yield broker
    finally:
        broker.stop()
