from __future__ import annotations

import cmath
import math
import time

import pytest

from app.connection import Connection
from app.readings_measurement import measurement_of
from app.specs import chip_specs
from device_io.source import LinkPhase, LinkState, ModuleInfo, Readings
from device_io.virtual_module.module import VirtualModule
from dsp.analyser import Analyser
from resources.parameters import keys_for


class ReadingsOnly:
    """A source that gives readings, as a bus or a broker does."""

    def __init__(self, info: ModuleInfo, readings: Readings) -> None:
        self._info, self._readings = info, readings

    def start(self, sink) -> None:
        sink.on_state(LinkState(LinkPhase.STREAMING, "rs485:x"))
        sink.on_identity(self._info)
        self.sink = sink

    def send(self) -> None:
        self.sink.on_readings(self._readings)

    def stop(self) -> None:
        pass


class Listener:
    def __init__(self) -> None:
        self.infos, self.measurements, self.states = [], [], []

    def on_identity(self, info) -> None:
        self.infos.append(info)

    def on_measurement(self, measurement) -> None:
        self.measurements.append(measurement)

    def on_state(self, state) -> None:
        self.states.append(state)

    def on_text(self, line) -> None:
        pass


def reading_of(preset: str, system: str) -> tuple[ModuleInfo, Readings, VirtualModule]:
    module = VirtualModule(preset, system)
    values = dict(module.readings())
    deadline = time.monotonic() + 30.0
    while values.get("V1r") is None and time.monotonic() < deadline:  # the first window takes a moment
        values = dict(module.readings())
    info = module.info._replace(capabilities=frozenset({"readings", "settings"}))
    return info, Readings(5_000_000, 1_700_000_000_000_000_000, values), module


def test_readings_are_the_measurement_where_no_waveform_comes():
    info, readings, _ = reading_of("office", "3P+N")
    source = ReadingsOnly(info, readings)
    connection = Connection(source, store_seconds=10.0)
    listener = Listener()
    connection.start()
    connection.listen(listener)
    try:
        source.send()
        assert listener.infos == [info]
        (measurement,) = listener.measurements
        assert measurement.values["V1r"] == readings.values["V1r"]
        assert measurement.module == info.eui
        assert (measurement.start_s, measurement.end_s) == (pytest.approx(4.8), 5.0)
    finally:
        connection.stop()
    source.send()
    assert len(listener.measurements) == 1


@pytest.mark.parametrize("system", ["1P", "1P+N", "3P", "3P+N"])
def test_what_readings_tell_agrees_with_the_waveform(system: str) -> None:
    info, readings, module = reading_of("office", system)
    told = measurement_of(readings, info)
    analyser = Analyser(module.info.system, chip_specs(module.info))
    scales = [[c.unit_per_count for c in chip.channels] for chip in info.chips]
    for block in module.stream(1.5):
        samples = block.counts * scales[block.chip]
        analyser.push(block.chip, block.first_index, samples, block.device_time_us, block.host_time_ns)
    measured = analyser.pull()[-1]
    assert told.band == measured.band
    assert set(told.values) == set(keys_for(system))
    for channel, phasor in told.phasors.items():
        other = measured.phasors[channel]
        assert abs(cmath.phase(phasor / other)) < math.radians(0.3), channel
        assert abs(phasor) == pytest.approx(abs(other), rel=0.02 if channel[0] == "I" else 0.002)
    for channel, orders in told.orders.items():
        for order in (1, 3, 5, 7):
            expected = measured.orders[channel][order]
            assert orders[order] == pytest.approx(expected, rel=0.1, abs=2e-4 * measured.orders[channel][1]), channel
        assert math.isnan(orders[40])


def test_readings_without_a_frequency_have_no_band():
    info, readings, _ = reading_of("clean", "1P")
    none = measurement_of(readings._replace(values={"V1r": 230.0, "Fqai": math.nan}, flags=("suspect",)), info)
    assert none.band.indicative_to == 0
    assert none.flags == ("suspect", "no-fundamental")
    assert none.values["Fqai"] is None
    assert none.values["I1r"] is None
    assert none.orders == {}
    assert none.phasors == {}
