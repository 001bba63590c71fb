"""What holds for every test of the RS485 link: nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from device_io.modbus.rs485_link import Rs485Link
from device_io.virtual_module.rs485_port import Rs485Port
from tests.fakes.leftovers import Holdings
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.told_time import told_time


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No thread and no file handle outlives a test."""
    before = Holdings()
    yield
    before.check()


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


@pytest.fixture
def quick_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorter time-outs: of four in a row, as many as make a unit count as lost, a busy computer keeps one or two."""
    from device_io.modbus import client

    monkeypatch.setattr(client.Master.__init__, "__kwdefaults__", {"reply_s": 0.3, "quiet_s": 0.1})


@pytest.fixture
def in_told_time() -> Iterator[None]:
    """For a test whose lines are in memory."""
    with told_time():
        yield
