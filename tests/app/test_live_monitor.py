"""The declared voltage of a live module, and the flags that follow from it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from app.connection import Connection
from app.live_monitor import LiveMonitor
from device_io.links import open_link
from device_io.source import ChannelInfo, ChipInfo, ModuleInfo, SampleBlock
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort
from tests.fakes.community import wait_for

RATE_HZ = 4000.0
UTC_NS = 1_700_000_400 * 10**9
BLOCK = 80
INFO = ModuleInfo(
    "0253454E00001234",
    "1P-PowerMonitor1",
    "1P",
    "1.4.0",
    (ChipInfo(RATE_HZ, (ChannelInfo("V1", "V", 1.0, 500.0), ChannelInfo("I1", "A", 1.0, 100.0))),),
    frozenset(["waveform-stream"]),
)


def volts(seconds: float, *levels: tuple[float, float], frequency_hz: float = 50.0) -> np.ndarray:
    """A sine whose rms is that of the last (from_s, rms_v) that has begun; a current beside it."""
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    rms = np.zeros_like(t)
    for from_s, level in levels:
        rms[t >= from_s] = level
    wave = np.sqrt(2.0) * np.sin(2 * np.pi * frequency_hz * t)
    return np.stack([rms * wave, 5.0 * wave], axis=1)


def results(monitor: LiveMonitor, samples: np.ndarray) -> Iterator:
    for first in range(0, len(samples), BLOCK):
        at_us = first / RATE_HZ * 1e6
        monitor.push(0, first, samples[first : first + BLOCK], at_us, UTC_NS + round(at_us * 1e3))
        yield from monitor.pull()


@pytest.mark.parametrize(
    ("rms_v", "declared_v"), [(231.0, 230.0), (118.0, 120.0), (240.0, 230.0), (101.0, 100.0), (0.0, 230.0)]
)
def test_the_first_window_decides_and_none_is_lost(rms_v: float, declared_v: float) -> None:
    monitor = LiveMonitor(INFO)
    found = list(results(monitor, volts(4.0, (0.0, rms_v))))
    assert monitor.declared_v == declared_v
    assert len(found) >= 18
    assert found[0].start_s < 0.1
    assert [window.window for window in found] == ["10/12-cycle"] * len(found)
    if rms_v:
        assert not any(set(window.flags) & {"dip", "swell", "interruption"} for window in found)
        assert found[3].values["UU1"] == pytest.approx(max(0.0, 100.0 - 100.0 * rms_v / declared_v), abs=0.2)


@pytest.mark.parametrize(
    ("rms_v", "told_v", "declared_v"),
    [
        (276.0, 277.0, 277.0),
        (129.0, 127.0, 127.0),
        (243.0, 240.0, 240.0),
        (121.0, 230.0, 120.0),  # never set: what is measured counts
        (231.0, None, 230.0),
        (231.0, 0.0, 230.0),
    ],
)
def test_the_voltage_that_the_module_was_told_counts_where_it_is_near(
    rms_v: float, told_v: float | None, declared_v: float
) -> None:
    monitor = LiveMonitor(INFO, told_v=lambda: told_v)
    found = list(results(monitor, volts(3.0, (0.0, rms_v))))
    assert monitor.declared_v == declared_v
    assert len(found) >= 13
    assert not any(set(window.flags) & {"dip", "swell", "interruption"} for window in found)


def test_a_module_is_asked_for_its_declared_voltage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.connection.SETTINGS_S", 20.0)  # a busy computer's module takes its time
    module = VirtualModule("us-house")
    module.settings.write({"nominal_voltage_v": 127.0})
    port = UsbPort(module, transport="tcp")
    connection, heard = Connection(open_link(port.start())), Playing(np.zeros((0, 2)))
    try:
        connection.start()
        connection.listen(heard)
        wait_for(lambda: bool(heard.found))
        assert connection.told_voltage_v(module.info) == 127.0
        assert connection.told_voltage_v(module.info._replace(capabilities=frozenset())) is None
        # 120 V are 5.5 % under 127 V.
        values = heard.found[0].values
        assert values["UU1"] == pytest.approx(100.0 * (1.0 - values["V1r"] / 127.0), abs=0.2)
    finally:
        connection.stop()
        port.stop()


@pytest.mark.parametrize(("level_v", "flag"), [(150.0, "dip"), (5.0, "interruption"), (260.0, "swell")])
@pytest.mark.parametrize("cycles", [1.5, 3.0])
def test_a_disturbance_of_a_cycle_flags_its_window(level_v: float, flag: str, cycles: float) -> None:
    """One that changes the rms of ten cycles by less than a tenth, too."""
    samples = volts(6.0, (0.0, 230.0), (3.015, level_v), (3.015 + cycles / 50.0, 230.0))
    flagged = [window for window in results(LiveMonitor(INFO), samples) if flag in window.flags]
    assert 1 <= len(flagged) <= 2
    assert flagged[0].start_s <= 3.05
    assert flagged[-1].end_s >= 3.03


def test_who_connects_in_a_dip_is_not_misled() -> None:
    monitor = LiveMonitor(INFO)
    found = list(results(monitor, volts(4.0, (0.0, 161.0), (1.0, 230.0))))
    assert monitor.declared_v == 230.0
    assert "dip" in found[0].flags
    assert "swell" not in {flag for window in found for flag in window.flags}


def test_a_wrong_beginning_is_mended_after_a_minute() -> None:
    """Connected in a deep dip that looks like a mains of 120 V."""
    monitor = LiveMonitor(INFO)
    found = list(results(monitor, volts(75.0, (0.0, 120.0), (1.0, 230.0))))
    assert monitor.declared_v == 230.0
    assert "swell" in found[50].flags
    assert not found[-1].flags


def test_a_long_undervoltage_changes_nothing() -> None:
    monitor = LiveMonitor(INFO)
    found = list(results(monitor, volts(70.0, (0.0, 230.0), (2.0, 160.0))))
    assert monitor.declared_v == 230.0
    assert "dip" in found[-1].flags


def test_ten_minutes_are_given_where_they_are_wanted() -> None:
    monitor = LiveMonitor(INFO, every=("10min",))
    list(results(monitor, volts(3.0, (0.0, 119.0))))
    (ten,) = [result for result in monitor.finish() if result.window == "10min"]
    assert ten.values["V1r"] == pytest.approx(119.0, rel=1e-3)
    assert ten.values["UU1"] == pytest.approx(0.83, abs=0.05)


class Playing:
    """A source that delivers these samples at once; hears what is measured of them."""

    def __init__(self, samples: np.ndarray) -> None:
        self._samples = samples
        self.found: list = []

    def start(self, sink) -> None:  # type: ignore[no-untyped-def]
        sink.on_identity(INFO._replace(chips=(INFO.chips[0]._replace(channels=CHANNELS),)))
        counts = np.round(self._samples * 1000.0).astype(np.int32)
        for first in range(0, len(counts), 800):
            at_us = round(first / RATE_HZ * 1e6)
            block = counts[first : first + 800]
            sink.on_blocks([SampleBlock(0, first, RATE_HZ, block, at_us, UTC_NS + (at_us + 200_000) * 1000)])

    def stop(self) -> None:
        pass

    def on_identity(self, info) -> None:  # type: ignore[no-untyped-def]
        pass

    on_state = on_text = on_identity

    def on_measurement(self, measurement) -> None:  # type: ignore[no-untyped-def]
        self.found.append(measurement)


CHANNELS = tuple(channel._replace(unit_per_count=1e-3) for channel in INFO.chips[0].channels)


def test_the_windows_of_a_session_are_flagged_by_the_samples() -> None:
    source = Playing(volts(8.0, (0.0, 120.0), (4.0, 95.0), (4.05, 120.0)))
    connection = Connection(source)  # type: ignore[arg-type]
    connection.start()
    connection.listen(source)
    try:
        wait_for(lambda: len(source.found) >= 36)
        flagged = [window for window in source.found if "dip" in window.flags]
        assert 1 <= len(flagged) <= 2
        assert {window.window for window in source.found} == {"10/12-cycle"}
    finally:
        connection.stop()
