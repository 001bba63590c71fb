"""From what is known of modules to the rows of the page."""

from __future__ import annotations

import re

from app.modules.rows import module_rows
from device_io.discovery.module_list import KnownLink, KnownModule, Presence
from device_io.modbus.rs485_link import Rs485Link
from device_io.virtual_module.rs485_port import Rs485Port
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.rtu_line import running_module


def detail_of(module: KnownModule) -> str:
    (row,) = module_rows([module], [])
    return row.links[0].detail


def test_a_link_on_a_bus_tells_how_often_it_is_read():
    module = running_module("clean", "1P")
    port = Rs485Port(module)
    url = port.start()
    known = KnownModule(module.info.eui, module.info, (KnownLink(url, "rs485", Presence.USED),))
    before = detail_of(known)
    assert "read" not in before
    link, sink = Rs485Link(url, readings_period_s=0.05), RecordingSink()
    link.start(sink)
    try:
        sink.wait_for(lambda: len(sink.readings) >= 4)
        told = detail_of(known)
        assert told.startswith(before)
        assert re.search(r", read ([0-9.]+ times a second|every [0-9.]+ s)$", told), told
    finally:
        link.stop()
        port.stop()
    assert detail_of(known) == before
