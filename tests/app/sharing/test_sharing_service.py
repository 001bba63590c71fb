"""Live sharing without a window: windows of a session in, messages at a real broker out."""

from __future__ import annotations

import errno
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.community.consent import Choices
from app.community.message import check
from app.community.outbox import Outbox
from app.community.outbox_file import explained, open_file
from app.community.sender import SenderPhase
from app.readings_means import TOO_FEW, WHY
from app.readings_measurement import measurement_of
from app.sharing.service import NO_MAP, STOP_S, SharingService, SharingState
from device_io.source import ModuleInfo, Readings
from dsp.measurement import Measurement
from tests.fakes.certificates import make_ca
from tests.fakes.community import Subscriber, last_end_s, wait_for
from tests.fakes.mosquitto import Mosquitto
from tests.fakes.unused_port import unused_port
from tests.fakes.window_series import gap, windows

EUI = "2462ABFFFE1A2B3C"
VALUES = {"THV1": 2.0, "THV2": 2.4, "THV3": 2.2, "1V3": 0.5, "1V5": 1.5, "THI1": 20.0, "Pc": 1234.0}
LENGTH_NS = 2_000_000_000
"""Of the windows here: a tenth of the real number gives the same means."""


def info(firmware: str = "1.4.0") -> ModuleInfo:
    return ModuleInfo(EUI, "3PN-PowerMonitor1", "3P+N", firmware, (), frozenset(["waveform-stream"]))


def ten_minutes(end_s: float, count: int = 301, **changed) -> list[Measurement]:
    """The windows of the 10 minutes that end there, and the first of the next."""
    return list(windows(round((end_s - 600) * 1e9), count, lambda _n: VALUES, length_ns=LENGTH_NS, **changed))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SharingService]:
    made = SharingService(tmp_path / "data")
    made.set_module(info())
    made.start()
    yield made
    made.stop()


def feed(service: SharingService, measurements: list[Measurement]) -> None:
    for measurement in measurements:
        service.add(measurement)


def far(**changed) -> Choices:
    """A broker that is never reached."""
    return Choices("u82f", f"mqtt://127.0.0.1:{unused_port()}", accepts_backdated=True, **changed)


def unsent(service: SharingService) -> int:
    return service.state.counts.waiting + service.state.counts.late


def test_without_consent_nothing_is_kept_but_own_values_are_known(service: SharingService, tmp_path: Path) -> None:
    end_s = last_end_s()
    feed(service, ten_minutes(end_s))
    wait_for(lambda: len(service.own.present(end_s + 1.0).trend) >= 1)
    own = service.own.present(end_s + 1.0)
    assert own.thv_pct == pytest.approx(2.2)
    assert own.harmonics_pct[5] == pytest.approx(1.5)
    assert own.basis == "mean of the last 10 minutes"
    assert not (tmp_path / "data").exists()


def test_what_is_measured_is_sent_without_a_trace_of_the_module(service: SharingService, tmp_path: Path) -> None:
    authority = make_ca(tmp_path)
    with Mosquitto(tmp_path, tls=authority) as broker, Subscriber(broker.port, authority.cert) as subscriber:
        # The time by a broker on this computer is this computer's; a name with a certificate stands for others.
        service.give(Choices("u82f", f"mqtts://localhost:{broker.port}?ca={authority.cert}", (), True))
        end_s = last_end_s() - 3 * 600
        feed(service, ten_minutes(end_s))
        wait_for(lambda: len(subscriber.received) >= 1)
        topic, payload = subscriber.received[0]
        check(payload, now_s=time.time(), topic=topic)
        document = json.loads(payload)
        assert document["payload"]["timestamp"] == end_s
        assert document["payload"]["data"]["THV1"] == 2.0
        assert document["payload"]["data"]["Pc"] is None, "power is a choice of its own"
        assert EUI.encode() not in payload
        wait_for(lambda: service.state.counts.sent >= 1)
        assert service.state.counts.sent_bytes == len(payload)
        assert service.state.error is None


@pytest.mark.parametrize("flag", ["dip", "clipped", "interruption"])
def test_ten_minutes_with_a_disturbance_are_left_out(service: SharingService, flag: str) -> None:
    service.give(far())
    feed(service, ten_minutes(last_end_s(), flags_of=lambda n: (flag,) if n == 100 else ()))
    wait_for(lambda: service.state.left_out is not None)
    assert flag in (service.state.left_out or "")
    assert unsent(service) == 0


def test_sleep_costs_the_intervals_that_were_slept_through_and_no_others(service: SharingService) -> None:
    service.give(far())
    end_s = last_end_s()
    feed(service, ten_minutes(end_s - 4 * 600, 450))  # falls asleep in the middle of the interval after
    feed(service, ten_minutes(end_s))
    wait_for(lambda: unsent(service) == 2)
    assert service.so_far() is not None


def test_a_gap_leaves_an_interval_out(service: SharingService) -> None:
    service.give(far())
    end_s = last_end_s()
    first = ten_minutes(end_s, 100)
    feed(service, first)
    service.add(gap(first[-1].end_ns, 3.0, first[-1].end_s))
    feed(service, list(windows(first[-1].end_ns + 3 * 10**9, 201, lambda _n: VALUES, length_ns=LENGTH_NS, clock_s=208)))
    wait_for(lambda: service.state.left_out is not None)
    assert "gap" in (service.state.left_out or "")


def readings_info() -> ModuleInfo:
    return info()._replace(capabilities=frozenset(["readings", "settings"]))


def readings(end_s: float, period_s: float = 2.0) -> list[Measurement]:
    """Those of the 10 minutes that end there, and the first of the next."""
    told = {**VALUES, "Fqai": 50.0, **{f"V{p}r": 230.0 for p in "123"}}
    return [
        measurement_of(Readings(None, round((end_s - 600 + (n + 1) * period_s) * 1e9), told), readings_info())
        for n in range(round(600 / period_s) + 1)
    ]


def test_readings_are_shared_as_means(service: SharingService) -> None:
    service.set_module(readings_info())
    service.give(far())
    end_s = last_end_s()
    feed(service, readings(end_s))
    wait_for(lambda: unsent(service) == 1)
    assert service.preview(far(share=("power",))) is not None
    ready = service.preview(service.given.choices if service.given else far())
    assert ready is not None
    assert ready.sendable
    assert ready.basis == WHY
    assert json.loads(ready.payload)["payload"]["timestamp"] == end_s
    assert b'"THV2":2.4' in ready.payload


def test_readings_that_come_too_rarely_are_explained(service: SharingService) -> None:
    service.set_module(readings_info())
    service.give(far())
    feed(service, readings(last_end_s(), 20.0))
    wait_for(lambda: service.state.left_out == TOO_FEW)
    assert unsent(service) == 0


def test_another_module_begins_anew(service: SharingService) -> None:
    service.give(far())
    end_s = last_end_s()
    feed(service, ten_minutes(end_s, 150))
    service.set_module(info())
    feed(service, ten_minutes(end_s, 301)[150:])
    wait_for(lambda: service.state.left_out is not None)
    assert "short" in (service.state.left_out or "")
    assert unsent(service) == 0


@pytest.mark.parametrize("virtual", [info("virtual 1.0.0"), info()._replace(eui="0253454E7D9AE7BB")])
def test_a_virtual_module_does_not_reach_the_real_map(service: SharingService, virtual: ModuleInfo) -> None:
    service.set_module(virtual)
    service.give(Choices("u82f", "mqtts://broker.invalid", accepts_backdated=True))
    end_s = last_end_s()
    feed(service, ten_minutes(end_s - 600))
    wait_for(lambda: service.state.left_out is not None)
    assert "virtual module" in (service.state.left_out or "")
    assert unsent(service) == 0
    service.give(far())
    feed(service, ten_minutes(end_s)[1:])
    wait_for(lambda: unsent(service) == 1)


def test_the_preview_is_what_waits_else_what_came_so_far(service: SharingService) -> None:
    choices = far()
    assert service.preview(choices) is None
    end_s = last_end_s()
    feed(service, ten_minutes(end_s, 60))
    wait_for(lambda: service.so_far() is not None and (service.so_far() or ten_minutes(0)[0]).completeness > 0.19)
    early = service.preview(choices)
    assert early is not None
    assert not early.sendable
    assert early.end_s == end_s
    assert b'"THV1":2.0' in early.payload
    assert b'"Pc":null' in early.payload
    more = service.preview(far(share=("power",)))
    assert more is not None
    assert b'"Pc":1234' in more.payload
    service.give(choices)
    feed(service, ten_minutes(end_s)[60:])
    wait_for(lambda: unsent(service) == 1)
    ready = service.preview(choices)
    assert ready is not None
    assert ready.sendable
    assert b'"THV1":2.0' in ready.payload


def test_withdrawing_empties_and_ends(service: SharingService, tmp_path: Path) -> None:
    service.give(far())
    end_s = last_end_s()
    feed(service, ten_minutes(end_s - 600))
    wait_for(lambda: unsent(service) == 1)
    assert service.withdraw() == 1
    wait_for(lambda: service.state == SharingState())
    feed(service, ten_minutes(end_s)[1:])
    wait_for(lambda: len(service.own.present(end_s).trend) >= 2)
    with Outbox(tmp_path / "data") as outbox:
        assert outbox.counts().waiting == 0


def test_the_clock_is_spoken_of_in_the_words_of_the_window(service: SharingService) -> None:
    service.give(Choices("u82f", "mqtts://broker.invalid", accepts_backdated=True))
    feed(service, ten_minutes(last_end_s() - 600))
    wait_for(lambda: "clock" in (service.state.error or ""))
    assert NO_MAP in (service.state.error or "")
    assert "--" not in (service.state.error or "")


def test_it_begins_by_itself_where_consent_stands(tmp_path: Path) -> None:
    first = SharingService(tmp_path)
    first.start()
    first.give(far())
    first.stop()
    states = []
    again = SharingService(tmp_path, on_state=states.append)
    again.start()
    try:
        wait_for(lambda: any(state.phase is not None for state in states))
        assert states[-1].given is not None
    finally:
        again.stop()


def test_it_ends_within_two_seconds_whatever_the_broker_does(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = SharingService(tmp_path)
        service.set_module(info())
        service.start()
        service.give(Choices("u82f", f"mqtt://127.0.0.1:{silent.getsockname()[1]}", accepts_backdated=True))
        feed(service, ten_minutes(last_end_s() - 1200))
        wait_for(lambda: service.state.phase is SenderPhase.SENDING)
        began_s = time.monotonic()
        service.stop()
        assert time.monotonic() - began_s < 3 * STOP_S, "a third of that on an idle computer"
        assert not service._thread.is_alive()


def test_the_window_is_never_held_up(tmp_path: Path) -> None:
    """`add` returns though nothing takes what is added."""
    service = SharingService(tmp_path)  # not started
    one = ten_minutes(last_end_s(), 1)[0]
    for _ in range(10_000):
        service.add(one)
    assert service._queue.qsize() <= 3000
    service.stop()


def test_a_disk_that_fails_loses_no_interval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.sharing.service.AGAIN_S", 0.3)
    fails = threading.Event()

    def open_or_fail(path: Path) -> sqlite3.Connection:
        with explained():
            if fails.is_set():
                raise OSError(errno.EIO, "Input/output error")
            return open_file(path)

    monkeypatch.setattr("app.community.outbox.open_file", open_or_fail)
    states: list[SharingState] = []
    service = SharingService(tmp_path / "data", on_state=states.append)
    service.set_module(info())
    service.start()
    try:
        service.give(far())
        wait_for(lambda: service.state.given is not None)
        fails.set()
        feed(service, ten_minutes(last_end_s()))
        wait_for(lambda: any("outbox" in (state.error or "") for state in list(states)))
        assert unsent(service) == 0
        fails.clear()
        wait_for(lambda: unsent(service) == 1)
    finally:
        service.stop()


def test_states_are_told_from_other_threads(tmp_path: Path) -> None:
    heard: list[str] = []
    service = SharingService(tmp_path, on_state=lambda _state: heard.append(threading.current_thread().name))
    service.start()
    wait_for(lambda: bool(heard))
    service.stop()
    assert set(heard) == {"sharing"}
