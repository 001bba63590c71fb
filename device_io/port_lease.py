"""Who may open a port: while a module is flashed, nobody else in this program."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from device_io.source import LinkError, LinkErrorKind


class Lease:
    """The right to open one port."""


_lock = threading.Lock()
_leases: dict[str, Lease] = {}


@contextmanager
def leased(port: str) -> Iterator[Lease]:
    """Keep a port for whoever has the lease, as long as the context lasts. LinkError (PORT_BUSY) if it is leased."""
    key, lease = _key(port), Lease()
    with _lock:
        if key in _leases:
            raise _busy(port)
        _leases[key] = lease
    try:
        yield lease
    finally:
        with _lock:
            del _leases[key]


def check_free(port: str, lease: Lease | None = None) -> None:
    """LinkError (PORT_BUSY) if somebody else has the lease of a port."""
    with _lock:
        holder = _leases.get(_key(port))
    if holder is not None and holder is not lease:
        raise _busy(port)


def _key(port: str) -> str:
    bare = port.partition("?")[0]
    return bare.lower() if "://" in bare else os.path.realpath(bare)


def _busy(port: str) -> LinkError:
    return LinkError(LinkErrorKind.PORT_BUSY, f"The module on {port} is being flashed. Wait until that is done.")
