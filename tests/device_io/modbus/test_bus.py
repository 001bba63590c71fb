"""Many units on one bus; the bus against pymodbus' own server."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

import pytest

from device_io.modbus import bus
from device_io.modbus.client import Master
from device_io.modbus.errors import ExceptionReply
from device_io.modbus.line import open_line
from device_io.modbus.rs485_link import Rs485Link
from device_io.source import LinkErrorKind, LinkPhase
from device_io.urls import parse_serial_url
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_registers import ModuleRegisters
from resources.settings import modbus_settings
from tests.fakes.leftovers import comes_true
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.rtu_line import running_module
from tests.fakes.rtu_server import meter_device, module_device, serving

Serve = Callable[[Rs485Port], str]
LinkTo = Callable[..., tuple[Rs485Link, RecordingSink]]


@pytest.mark.timeout(300)
def test_thirty_two_units_get_equal_turns(serve: Serve, link_to: LinkTo, monkeypatch: pytest.MonkeyPatch):
    values = running_module("clean", "1P").readings()
    monkeypatch.setattr(VirtualModule, "readings", lambda module, age_s=0.0: dict(values))  # 32 measure for a while
    modules = [running_module("clean", "1P", seed=n) for n in range(32)]
    for unit, module in enumerate(modules, 1):
        module.settings.write({"rs485_unit": unit, "confirm": True})
    port = Rs485Port(modules)
    serve(port)
    sinks = [link_to(url, readings_period_s=0.01)[1] for url in port.urls]
    for sink in sinks:
        sink.wait_for(lambda sink=sink: len(sink.readings) >= 1, 100.0)
    # Those that came first have had more turns by now: from here on all are there.
    before = [len(sink.readings) for sink in sinks]
    for sink, seen in zip(sinks, before, strict=True):
        sink.wait_for(lambda sink=sink, seen=seen: len(sink.readings) >= seen + 3, 100.0)
    until_ns = time.time_ns()  # the bus goes on while we look
    turns = sorted((readings.host_time_ns, n) for n, sink in enumerate(sinks) for readings in tuple(sink.readings))
    shared = [turn for turn in turns if turn[0] <= until_ns][-1 - 2 * len(sinks) :]
    counts = [sum(n == unit for _, n in shared) for unit in range(len(sinks))]
    assert max(counts) <= min(counts) + 2
    for sink, module in zip(sinks, modules, strict=True):
        assert sink.identities[0].eui == module.info.eui
        assert len(sink.identities) == 1
    place = parse_serial_url(port.urls[0], "rs485").port
    assert set(bus.rates(place)) == set(range(1, 33))
    assert comes_true(lambda: alike(bus.rates(place).values()), 100.0)


def alike(rates_hz: Collection[float]) -> bool:
    return min(rates_hz) > 0.5 * max(rates_hz) > 0.0


def test_absent_units_do_not_starve_the_others(serve: Serve, link_to: LinkTo, quick_bus: None):
    url = serve(Rs485Port(running_module("clean")))
    absent = [link_to(url.replace("unit=1", f"unit={unit}"))[1] for unit in range(2, 5)]
    _, sink = link_to(url, readings_period_s=0.01)
    sink.wait_for(lambda: len(sink.readings) >= 5)
    assert not any(other.readings for other in absent)
    absent[0].wait_for(lambda: LinkPhase.LOST in absent[0].phases)


@pytest.mark.timeout(180)
def test_a_unit_is_read_before_all_absent_ones_have_been_looked_for(serve: Serve, link_to: LinkTo, quick_bus: None):
    """With many addresses that nobody has, the first look at them all takes half a minute."""
    url = serve(Rs485Port(running_module("clean")))
    _, sink = link_to(url, readings_period_s=0.01)
    sink.wait_for(lambda: len(sink.readings) >= 1)
    others = [link_to(url.replace("unit=1", f"unit={unit}"))[1] for unit in range(20, 32)]
    seen = len(sink.readings)
    sink.wait_for(lambda: len(sink.readings) >= seen + 5)
    assert not all(LinkPhase.LOST in other.phases for other in others)
    for other in others:
        other.wait_for(lambda other=other: LinkPhase.LOST in other.phases, 60.0)


def test_one_bus_has_one_setting_and_every_unit_once(serve: Serve, link_to: LinkTo):
    url = serve(Rs485Port(running_module("clean")))
    first, sink = link_to(url)
    sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.STREAMING)
    for other, word in ((url.replace("19200", "9600").replace("unit=1", "unit=2"), "baud"), (url, "already")):
        _, refused = link_to(other)
        assert refused.states[-1].phase == LinkPhase.FAILED
        assert refused.states[-1].error.kind == LinkErrorKind.REFUSED
        assert word in str(refused.states[-1].error)
    first.stop()
    _, again = link_to(url)
    again.wait_for(lambda: again.states[-1].phase == LinkPhase.STREAMING)
    assert again.phases == [LinkPhase.OPENING, LinkPhase.CONNECTED, LinkPhase.STREAMING]


def test_a_link_can_be_opened_again_at_once_with_other_settings(serve: Serve, link_to: LinkTo):
    url = serve(Rs485Port(running_module("clean"), transport="tcp"))
    for baud in (9600, 19_200, 9600):
        link, sink = link_to(url.replace("19200", str(baud)))
        sink.wait_for(lambda sink=sink: len(sink.readings) >= 1)
        assert LinkPhase.FAILED not in sink.phases
        link.stop()


def test_a_unit_that_leaves_leaves_the_others(serve: Serve, link_to: LinkTo):
    modules = [running_module("clean", seed=n) for n in range(2)]
    modules[1].settings.write({"rs485_unit": 2, "confirm": True})
    port = Rs485Port(modules)
    serve(port)
    first, _ = link_to(port.urls[0], readings_period_s=0.05)
    _, sink = link_to(port.urls[1], readings_period_s=0.05)
    sink.wait_for(lambda: len(sink.readings) >= 1)
    first.stop()
    seen = len(sink.readings)
    sink.wait_for(lambda: len(sink.readings) >= seen + 2)
    assert set(bus.rates(parse_serial_url(port.urls[0], "rs485").port)) == {2}


def test_a_link_stops_at_once_while_another_unit_is_waited_for(serve: Serve, link_to: LinkTo):
    url = serve(Rs485Port(running_module("clean")))
    link, sink = link_to(url)
    sink.wait_for(lambda: len(sink.readings) >= 1)
    _, other = link_to(url.replace("unit=1", "unit=2"))
    other.wait_for(lambda: len(other.states) >= 1)
    began_s = time.monotonic()
    link.stop()
    assert time.monotonic() - began_s < 6.0, "2 s on a computer that has the time"
    assert sink.states[-1].phase == LinkPhase.CLOSED
    seen = len(sink.events)
    other.wait_for(lambda: LinkPhase.LOST in other.phases)
    assert len(sink.events) == seen


def test_pymodbus_own_server_is_read(link_to: LinkTo):
    modules = [running_module("office", seed=n) for n in range(2)]
    devices = [module_device(unit, ModuleRegisters(module)) for unit, module in zip((1, 7), modules, strict=True)]
    with serving(devices) as port:
        for unit, module in zip((1, 7), modules, strict=True):
            link, sink = link_to(f"rs485:{port}?unit={unit}", readings_period_s=0.1)
            sink.wait_for(lambda sink=sink: len(sink.readings) >= 2)
            assert sink.identities[0].eui == module.info.eui
            assert sink.readings[-1].values["V1r"] == pytest.approx(module.readings()["V1r"], rel=0.05)
            settings = link.write_settings({"name": "Oben", "mqtt_period_s": 9}).result(30.0)
            assert settings == {key: module.settings[key] for key in modbus_settings()}
            assert module.settings["name"] == "Oben"
            assert len(link.read_snapshot().result(30.0)) == 3
            link.stop()


def test_another_makers_meter_is_named_so(link_to: LinkTo):
    with serving([meter_device(1, [7, 8, 9], 100)]) as port:
        line = open_line(port, 19_200, "N")
        master = Master(line, 19_200, "N")
        assert master.read_holding(1, 100, 3) == [7, 8, 9]
        with pytest.raises(ExceptionReply) as caught:
            master.read_holding(1, 200, 3)
        assert caught.value.code == 2
        line.close()
        _, sink = link_to(f"rs485:{port}", reconnect=False)
        sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.FAILED)
        assert sink.states[-1].error.kind == LinkErrorKind.NOT_A_MODULE
