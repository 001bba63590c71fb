"""A port behind which there is nobody."""

from __future__ import annotations

import socket
from functools import cache


def unused_port() -> int:
    """A loopback port where nobody listens as long as this process lives: it is taken, and refuses connections."""
    return int(_taken().getsockname()[1])


@cache
def _taken() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken
