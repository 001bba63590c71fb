"""The RS485 link against virtual modules on real ports."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from device_io.modbus import bus, client, station, unit
from device_io.modbus.rs485_link import Rs485Link
from device_io.modbus.scan import scan
from device_io.source import LinkError, LinkErrorKind, LinkPhase
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.rs485_port import Rs485Port
from device_io.virtual_module.rtu_faults import RtuFaults, parse_rtu_faults
from device_io.virtual_module.rtu_registers import ModuleRegisters
from device_io.virtual_module.rtu_slave import RtuSlave, framed
from resources import register_map as rm
from resources.parameters import parameter
from resources.settings import modbus_settings
from tests.fakes.plug import Plug
from tests.fakes.recording_sink import RecordingSink
from tests.fakes.rtu_line import MemoryLine, running_module

Serve = Callable[[Rs485Port], str]
LinkTo = Callable[..., tuple[Rs485Link, RecordingSink]]


def kind_of(sink: RecordingSink) -> LinkErrorKind | None:
    error = sink.states[-1].error
    return error.kind if error else None


def close_enough(key: str, got: float | None, true: float | None) -> bool:
    if got is None or true is None:
        return got is true is None
    field = parameter(key).modbus
    assert field is not None
    return abs(got - true) <= 0.5 / field.scale + 1e-9 * abs(true)


@pytest.mark.parametrize("transport", ["pty", "tcp"])
@pytest.mark.parametrize("system", ["1P", "3P+N"])
def test_identity_and_readings_are_the_modules(serve: Serve, link_to: LinkTo, transport: str, system: str):
    module = running_module("office", system)
    _, sink = link_to(serve(Rs485Port(module, transport=transport)), readings_period_s=0.1)
    sink.wait_for(lambda: len(sink.readings) >= 2)
    info = sink.identities[0]
    assert (info.eui, info.type, info.system, info.firmware, info.boot_id, info.name) == (
        *(module.info.eui, module.info.type, module.info.system, module.info.firmware, module.info.boot_id),
        "office",
    )
    assert info.capabilities == {"readings", "settings", "waveform-snapshot"}
    for got, true in zip(info.channels, module.info.channels, strict=True):
        assert (got.key, got.unit) == (true.key, true.unit)
        assert (got.unit_per_count, got.full_scale) == pytest.approx((true.unit_per_count, true.full_scale), rel=1e-7)
        for section, wanted in zip(got.response, true.response, strict=True):
            assert section.kind == wanted.kind
            assert section[1:] == pytest.approx(wanted[1:], rel=1e-6)
    assert [chip.nominal_rate_hz for chip in info.chips] == [chip.nominal_rate_hz for chip in module.info.chips]
    assert sink.phases == [LinkPhase.OPENING, LinkPhase.CONNECTED, LinkPhase.STREAMING]
    assert sink.readings[1].device_time_us > sink.readings[0].device_time_us
    assert abs(sink.readings[-1].host_time_ns - time.time_ns()) < 30e9


def test_values_are_equal_within_their_resolution(serve: Serve, link_to: LinkTo, monkeypatch: pytest.MonkeyPatch):
    module = running_module("office")
    fixed = module.readings()
    monkeypatch.setattr(module, "readings", lambda age_s=0.0: dict(fixed))
    link, _ = link_to(serve(Rs485Port(module)))
    values = link.read_readings().result(30.0).values
    wrong = {key: (values[key], true) for key, true in fixed.items() if not close_enough(key, values[key], true)}
    assert not wrong
    assert sum(value is not None for value in values.values()) > 250


def test_settings_are_written_all_or_none(serve: Serve, link_to: LinkTo):
    module = running_module()
    link, _ = link_to(serve(Rs485Port(module)))
    before = link.read_settings().result(30.0)
    assert before == {key: module.settings[key] for key in modbus_settings()}
    wanted = {"name": "Zähler Süd", "nominal_voltage_v": 240.0, "mqtt_period_s": 7, "wifi_password": "geheim"}
    after = link.write_settings(wanted).result(30.0)
    assert after == before | wanted | {"wifi_password": None, "unconfirmed_s": after["unconfirmed_s"]}
    assert module.settings.secret("wifi_password") == "geheim"
    for bad in ({"name": "x", "mqtt_period_s": 601}, {"name": "x", "system": "1P"}, {"name": "x", "nonsense": 1}):
        with pytest.raises(LinkError) as caught:
            link.write_settings(bad).result(30.0)
        assert caught.value.kind == LinkErrorKind.REFUSED
    assert module.settings["name"] == "Zähler Süd"


def test_a_new_address_counts_and_is_confirmed_over_the_new_link(serve: Serve, link_to: LinkTo, quick_bus: None):
    module = running_module()
    url = serve(Rs485Port(module))
    link, sink = link_to(url, readings_period_s=0.1)
    told = link.write_settings({"rs485_unit": 9, "rs485_baud": 38_400}).result(30.0)
    assert (told["rs485_unit"], told["rs485_baud"]) == (9, 38_400)
    sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.LOST)
    link.stop()
    new_url = url.replace("unit=1", "unit=9").replace("baud=19200", "baud=38400")
    link, _ = link_to(new_url, readings_period_s=0.1)
    assert link.read_settings().result(30.0)["unconfirmed_s"] > 0
    assert link.write_settings({"confirm": True}).result(30.0)["unconfirmed_s"] == 0


def test_a_snapshot_shows_the_voltages(serve: Serve, link_to: LinkTo):
    module = running_module("clean")
    link, sink = link_to(serve(Rs485Port(module)), readings_period_s=0.1)
    blocks = link.read_snapshot().result(30.0)
    chips = sink.identities[0].chips
    assert [block.chip for block in blocks] == [0, 1, 2]
    for block, chip in zip(blocks, chips, strict=True):
        assert len(block.counts) >= 10 / 47.5 * chip.nominal_rate_hz
        volts = block.counts[:800, 0] * chip.channels[0].unit_per_count
        assert np.sqrt(np.mean(volts**2)) == pytest.approx(230.0, abs=0.5)
        time_s = block.first_index / chip.nominal_rate_hz
        assert block.device_time_us / 1e6 == pytest.approx(time_s, abs=0.01)
    assert abs(blocks[0].host_time_ns - time.time_ns()) < 30e9


def test_snapshots_come_by_themselves(serve: Serve, link_to: LinkTo):
    _, sink = link_to(serve(Rs485Port(running_module("clean"))), readings_period_s=0.2, snapshots=True)
    sink.wait_for_blocks(6)
    sink.wait_for(lambda: len(sink.readings) > 1)
    first = [block for block in sink.blocks if block.chip == 0]
    assert first[1].first_index >= first[0].first_index + len(first[0].counts)


def test_snapshots_that_follow_at_once_never_overlap(nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch):
    """On a quick line one is read within less than the 0.2 s that it lasts, so the next one begins before its end. The
    module's clock goes on by half of that with each."""
    module = running_module("clean", "1P")
    shots = 0

    def taken(reply: bytes) -> list[tuple[float, bytes]]:
        nonlocal shots
        shots += reply[1] == 6 and reply[2:4] == rm.SNAPSHOT.to_bytes(2, "big")
        return [(0.0, reply)]

    monkeypatch.setattr(module, "now_s", lambda: 5.0 + 0.1 * shots)
    line = MemoryLine(RtuSlave([ModuleRegisters(module)]), taken)
    link, sink = Rs485Link("rs485:bus?baud=115200", snapshots=True, opener=lambda *_: line), RecordingSink()
    link.start(sink)
    sink.wait_for_blocks(8)
    link.stop()
    rate_hz = sink.blocks[0].rate_hz
    shorter = False
    for before, after in zip(sink.blocks, sink.blocks[1:], strict=False):
        assert after.first_index >= before.first_index + len(before.counts)
        shorter = shorter or len(after.counts) < len(before.counts)
        expected_us = before.device_time_us + (after.first_index - before.first_index) / rate_hz * 1e6
        assert after.device_time_us == pytest.approx(expected_us, abs=300)
    assert shorter, "none of them would have overlapped"


def test_a_snapshot_that_is_refused_once_is_tried_again(nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch):
    """A module may be busy with itself for a moment; only one without snapshots is never asked again."""
    monkeypatch.setattr(station, "LONGEST_RETRY_S", 0.1)
    refusals = 3

    def spoil(reply: bytes) -> list[tuple[float, bytes]]:
        nonlocal refusals
        if reply[1] == 6 and reply[2:4] == rm.SNAPSHOT.to_bytes(2, "big") and refusals:
            refusals -= 1
            return [(0.0, framed(bytes([1, 0x86, 4])))]
        return [(0.0, reply)]

    line = MemoryLine(RtuSlave([ModuleRegisters(running_module("clean", "1P"))]), spoil)
    link, sink = Rs485Link("rs485:bus?baud=115200", snapshots=True, opener=lambda *_: line), RecordingSink()
    link.start(sink)
    sink.wait_for_blocks(2)
    link.stop()
    assert refusals == 0
    assert LinkPhase.LOST not in sink.phases


@pytest.mark.parametrize(
    ("code", "kind"),
    [(2, LinkErrorKind.NOT_A_MODULE), (4, LinkErrorKind.REFUSED), (6, LinkErrorKind.REFUSED)],
)
def test_what_refuses_to_be_read_is_told_apart(
    nothing_left_behind: None, monkeypatch: pytest.MonkeyPatch, code: int, kind: LinkErrorKind
):
    """No such register: something else. Failed or busy: perhaps a module, at another moment."""
    monkeypatch.setattr(unit, "_BUSY_S", 0.001)
    line = MemoryLine(
        RtuSlave([ModuleRegisters(running_module("clean"))]),
        lambda reply: [(0.0, framed(bytes([reply[0], reply[1] | 0x80, code])))],
    )
    link, sink = Rs485Link("rs485:bus", reconnect=False, opener=lambda *_: line), RecordingSink()
    link.start(sink)
    sink.wait_for_phase(LinkPhase.FAILED)
    link.stop()
    assert kind_of(sink) == kind
    assert f"exception {code}" in str(sink.states[-1].error)


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_finds_no_unit_is_no_unit(nothing_left_behind: None, code: int):
    """A gateway answers for a unit that is not there."""
    line = MemoryLine(
        RtuSlave([ModuleRegisters(running_module("clean"))]),
        lambda reply: [(0.0, framed(bytes([reply[0], reply[1] | 0x80, code])))],
    )
    assert list(scan("x", bauds=(115_200,), parities=("N",), units=range(1, 5), opener=lambda *_: line)) == []
    link, sink = Rs485Link("rs485:bus", reconnect=False, opener=lambda *_: line), RecordingSink()
    link.start(sink)
    sink.wait_for_phase(LinkPhase.FAILED)
    link.stop()
    assert kind_of(sink) == LinkErrorKind.SILENT


def test_a_fresh_module_gives_its_snapshot_when_it_has_one(serve: Serve, link_to: LinkTo):
    link, _ = link_to(serve(Rs485Port(VirtualModule("clean"))))
    assert len(link.read_snapshot().result(30.0)) == 3


def lost_for(sink: RecordingSink, since: int = 0) -> list[LinkErrorKind]:
    """Why the link was lost, in the states from that one on."""
    return [state.error.kind for state in sink.states[since:] if state.phase == LinkPhase.LOST and state.error]


def test_a_unit_off_and_on_again_comes_back(serve: Serve, link_to: LinkTo, quick_bus: None):
    off, unplugged = Plug(), Plug()
    faults = RtuFaults(off=(off,), unplug=(unplugged,))  # type: ignore[arg-type]
    _, sink = link_to(serve(Rs485Port(running_module("clean", age_s=0.0), faults)), readings_period_s=0.1)
    for plug, kind in ((off, LinkErrorKind.STALLED), (unplugged, LinkErrorKind.UNPLUGGED)):
        sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.STREAMING)
        states, identities = len(sink.states), len(sink.identities)
        plug.out = True
        sink.wait_for(lambda kind=kind, states=states: kind in lost_for(sink, states))
        plug.out = False
        sink.wait_for(lambda identities=identities: len(sink.identities) > identities)
    sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.STREAMING)
    assert set(lost_for(sink)) == {LinkErrorKind.STALLED, LinkErrorKind.UNPLUGGED}
    assert sink.counters.reconnects >= 2


def test_a_damaged_line_costs_time_but_no_truth(serve: Serve, link_to: LinkTo, quick_bus: None):
    module = running_module("clean")
    faults = "rtu-bad-crc=0.05,rtu-short=0.05,rtu-noise=0.05,rtu-wrong-unit=0.03,rtu-exception=0.03,rtu-lost=0.03"
    _, sink = link_to(serve(Rs485Port(module, parse_rtu_faults(faults), seed=4)), readings_period_s=0.02)
    sink.wait_for(lambda: len(sink.readings) >= 20, 50.0)
    assert sink.counters.frames_damaged > 0
    for readings in sink.readings:
        assert readings.values["V1r"] == pytest.approx(230.0, abs=0.2)
        assert readings.values["Fqai"] == pytest.approx(50.0, abs=0.01)
        assert readings.values["1V1"] == 100.0


def test_no_port_no_unit_no_module(serve: Serve, link_to: LinkTo, quick_bus: None):
    _, sink = link_to("rs485:/dev/there-is-none")
    sink.wait_for(lambda: kind_of(sink) == LinkErrorKind.NO_SUCH_PORT)
    assert sink.states[-1].phase == LinkPhase.LOST
    url = serve(Rs485Port(running_module("clean")))
    _, sink = link_to(url.replace("unit=1", "unit=2"), reconnect=False)
    sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.FAILED)
    assert kind_of(sink) == LinkErrorKind.SILENT
    assert "19200 baud" in str(sink.states[-1].error)


def test_another_baud_is_silence(serve: Serve, link_to: LinkTo, quick_bus: None):
    url = serve(Rs485Port(running_module("clean"), transport="pty"))
    _, sink = link_to(url.replace("baud=19200", "baud=9600"), reconnect=False)
    sink.wait_for(lambda: sink.states[-1].phase == LinkPhase.FAILED)
    assert kind_of(sink) == LinkErrorKind.SILENT


def test_jobs_fail_with_the_links_error(link_to: LinkTo):
    link, sink = link_to("rs485:/dev/there-is-none")
    with pytest.raises(LinkError) as caught:
        link.read_settings().result(30.0)
    assert caught.value.kind == LinkErrorKind.NO_SUCH_PORT
    link.stop()
    with pytest.raises(LinkError):
        link.read_settings().result(30.0)
    assert sink.states[-1].phase == LinkPhase.CLOSED
    with pytest.raises(LinkError, match="not open"):
        Rs485Link("rs485:/dev/x").read_readings().result(30.0)


def test_stop_is_quick_and_final(serve: Serve, link_to: LinkTo):
    link, sink = link_to(serve(Rs485Port(running_module("clean"))), readings_period_s=0.01, snapshots=True)
    sink.wait_for(lambda: len(sink.readings) >= 2)
    future = link.read_snapshot()
    began_s = time.monotonic()
    link.stop()
    assert time.monotonic() - began_s < 6.0, "2 s on a computer that has the time"
    seen = len(sink.events)
    assert sink.states[-1].phase == LinkPhase.CLOSED
    with pytest.raises(LinkError):
        future.result(30.0)
    link.stop()
    assert len(sink.events) == seen


def off_and_on(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One link whose unit falls silent and whose port vanishes in turn; it comes back every time."""
    for name, value in (("RETRY_S", 0.01), ("LONGEST_RETRY_S", 0.02)):
        monkeypatch.setattr(station, name, value)
    monkeypatch.setattr(bus, "RETRY_S", 0.01)
    monkeypatch.setattr(client, "PAUSE_S", 0.002)
    monkeypatch.setattr(client.Master.__init__, "__kwdefaults__", {"reply_s": 0.03, "quiet_s": 0.01})
    slave = RtuSlave([ModuleRegisters(running_module("clean"))])
    on = True
    lines: list[MemoryLine] = []

    def opener(*_: object) -> MemoryLine:
        lines.append(MemoryLine(slave, lambda reply: [(0.0, reply)] if on else []))
        return lines[-1]

    link, sink = Rs485Link("rs485:memory", readings_period_s=0.01, opener=opener), RecordingSink()
    link.start(sink)
    try:
        seen = 0
        for n in range(1, times + 1):
            sink.wait_for(
                lambda seen=seen: len(sink.identities) > seen and sink.states[-1].phase == LinkPhase.STREAMING
            )
            seen, states = len(sink.identities), len(sink.states)
            if n % 2:
                on = False
                sink.wait_for(lambda states=states: LinkErrorKind.STALLED in lost_for(sink, states))
                on = True
            else:
                lines[-1].gone = True
    finally:
        link.stop()
    assert all(line.closed for line in lines)
    assert sink.counters.reconnects >= times - 1


def test_ten_times_off_and_on(monkeypatch: pytest.MonkeyPatch):
    off_and_on(10, monkeypatch)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_times_off_and_on(monkeypatch: pytest.MonkeyPatch):
    off_and_on(1000, monkeypatch)


def cycle(serve_module: VirtualModule, times: int) -> None:
    """Off and on again, so many times."""
    for _ in range(times):
        port = Rs485Port(serve_module)
        link, sink = Rs485Link(port.start(), readings_period_s=0.01), RecordingSink()
        link.start(sink)
        sink.wait_for(lambda sink=sink: len(sink.readings) >= 1)
        link.stop()
        port.stop()
        assert bus.rates(link._url.port) == {}


def test_opening_and_closing_leaves_nothing(nothing_left_behind: None):
    cycle(running_module("clean"), 10)


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_thousand_times_opening_and_closing_leaves_nothing(nothing_left_behind: None):
    cycle(running_module("clean"), 1000)
