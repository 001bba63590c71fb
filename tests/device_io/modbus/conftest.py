"""What holds for every test of the RS485 link: nothing is left behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from device_io.modbus.rs485_link import Rs485Link
from device_io.virtual_module.rs485_port import Rs485Port
from tests.fakes.recording_sink import RecordingSink


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no file handle outlives a test."""
    threads, handles = set(threading.enumerate()), open_handles()
    yield
    assert set(threading.enumerate()) <= threads
    assert open_handles() <= handles


@pytest.fixture
def serve(nothing_left_behind: None) -> Iterator[Callable[[Rs485Port], str]]:
    """Starts a port, stopped at the end."""
    ports: list[Rs485Port] = []

    def started(port: Rs485Port) -> str:
        ports.append(port)
        return port.start()

    yield started
    for port in ports:
        port.stop()


@pytest.fixture
def link_to(nothing_left_behind: None) -> Iterator[Callable[..., tuple[Rs485Link, RecordingSink]]]:
    """Starts a link with a sink, stopped at the end."""
    links: list[Rs485Link] = []

    def started(url: str, **options: object) -> tuple[Rs485Link, RecordingSink]:
        link, sink = Rs485Link(url, **options), RecordingSink()  # type: ignore[arg-type]
        links.append(link)
        link.start(sink)
        return link, sink

    yield started
    for link in links:
        link.stop()


def open_handles() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


@pytest.fixture
def quick_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs that suit slaves which answer at once."""
    from device_io.modbus import client

    monkeypatch.setattr(client.Master.__init__, "__kwdefaults__", {"reply_s": 0.2, "quiet_s": 0.1})
