"""Three single-phase modules on one three-phase supply, each on its own port, as one system."""

from __future__ import annotations

import cmath
import math
import threading
import time
from dataclasses import replace

import pytest

from app.connection import open_group
from device_io.group import GroupSource
from device_io.source import LinkError, LinkPhase, ModuleInfo, Sink
from device_io.usb_link import UsbLink
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.presets import preset
from device_io.virtual_module.usb_port import UsbPort
from device_io.virtual_module.wiring import Wiring
from tests.fakes.recording_sink import RecordingSink

pytestmark = pytest.mark.timeout(180)


class Listener:
    def __init__(self) -> None:
        self.info, self.measurements, self.states = None, [], []
        self.changed = threading.Condition()

    def on_identity(self, info) -> None:
        self.info = info

    def on_measurement(self, measurement) -> None:
        with self.changed:
            self.measurements.append(measurement)
            self.changed.notify_all()

    def on_state(self, state) -> None:
        self.states.append(state)

    def on_text(self, line) -> None:
        pass


def three_modules(system: str, uncertainty_us: float | None) -> list[VirtualModule]:
    """Modules on L1, L2 and L3 of the same mains, with clocks that began at different times and run differently."""
    mains = preset("office")
    power_up_s, start_ns = time.monotonic(), time.time_ns()
    return [
        VirtualModule(
            replace(mains, wiring=Wiring({"V1": f"L{phase}"}, {"I1": f"L{phase}"})),
            system,
            seed=phase,
            clock_ppm=40.0 * (phase - 2),
            power_up_s=power_up_s,
            start_ns=start_ns,
            clock_uncertainty_us=uncertainty_us,
        )
        for phase in (1, 2, 3)
    ]


def measure_together(modules: list[VirtualModule], count: int, *unwanted: str) -> tuple[Listener, list]:
    """So many measurements without gaps and these flags, which a busy computer brings now and then."""
    ports = [UsbPort(module, transport="tcp") for module in modules]
    connection, listener = None, Listener()
    try:
        connection = open_group([port.start() for port in ports])
        connection.listen(listener)
        whole = lambda: [m for m in listener.measurements if not {"gap", *unwanted}.intersection(m.flags)]  # noqa: E731
        with listener.changed:
            assert listener.changed.wait_for(lambda: len(whole()) >= count, 90.0), listener.states[-1:]
        return listener, whole()
    finally:
        if connection is not None:
            connection.stop()
        for port in ports:
            port.stop()


@pytest.mark.parametrize(("system", "joined"), [("1P", "3P"), ("1P+N", "3P+N")])
def test_three_modules_with_good_clocks_are_one_system(system: str, joined: str) -> None:
    modules = three_modules(system, 20.0)
    listener, measurements = measure_together(modules, 12, "unaligned")
    assert listener.info.system == joined
    truth = VirtualModule("office", "3P+N").truth
    last = measurements[-1]
    for key in ("V1r", "V2r", "V3r"):
        assert last.values[key] == pytest.approx(truth[key], rel=2e-3)
    for key in ("u2", "u0") if joined == "3P+N" else ("u2",):
        assert last.values[key] == pytest.approx(truth[key], abs=0.05)
    assert last.values["V12r"] == pytest.approx(truth["V12r"], rel=2e-3)
    # 20 us are 0.36 degrees at 50 Hz.
    for channel, expected_deg in (("V2", -120.0), ("V3", 120.0)):
        angle_deg = math.degrees(cmath.phase(last.phasors[channel]))
        assert (angle_deg - expected_deg + 180.0) % 360.0 - 180.0 == pytest.approx(0.0, abs=1.0)


def test_without_told_clocks_nothing_joins_the_phases():
    _, measurements = measure_together(three_modules("1P", None), 3)
    last = measurements[-1]
    assert "unaligned" in last.flags
    assert last.values["V2r"] is not None
    assert last.values["Pc"] is not None
    for key in ("u2", "V12r", "V12a", "Prot", "2VA1", "3IA5", "Se"):
        assert last.values[key] is None, key
    assert set(last.phasors) == {"V1", "I1"}


def test_what_can_not_be_a_group_is_refused():
    with pytest.raises(LinkError, match="three"):
        GroupSource([])
    modules = [VirtualModule("clean", "1P", seed=1), VirtualModule("clean", "1P", seed=2), VirtualModule("clean", "3P")]
    ports = [UsbPort(module, transport="tcp") for module in modules]
    group = GroupSource([UsbLink(port.start()) for port in ports])
    sink = RecordingSink()
    group.start(sink)
    try:
        sink.wait_for(lambda: LinkPhase.FAILED in sink.phases, 60.0)
        assert "measures 3P" in str(sink.states[-1].error)
        assert sink.identities == []
    finally:
        group.stop()
        for port in ports:
            port.stop()


class Teller:
    """A source that tells who it is, and no more."""

    def __init__(self, info: ModuleInfo) -> None:
        self._info = info

    def start(self, sink: Sink) -> None:
        sink.on_identity(self._info)

    def stop(self) -> None:
        pass


@pytest.mark.parametrize(
    ("euis", "firmware", "told"),
    [
        (("0253454E00000001", "70B3D5499A0C0002", "70B3D5499A0C0003"), "1.0.0", "virtual 1.0.0"),
        (("70B3D5499A0C0001", "70B3D5499A0C0002", "0253454E00000003"), "virtual 2.1", "virtual 2.1"),
        (("70B3D5499A0C0001", "70B3D5499A0C0002", "70B3D5499A0C0003"), "1.0.0", "1.0.0"),
    ],
)
def test_a_group_that_is_virtual_in_part_says_so(euis: tuple[str, ...], firmware: str, told: str):
    """Its values have no place on the map, and it has no EUI by which that could be seen."""
    info = VirtualModule("clean", "1P").info
    group = GroupSource([Teller(info._replace(eui=eui, firmware=firmware)) for eui in euis])
    sink = RecordingSink()
    group.start(sink)
    assert [identity.firmware for identity in sink.identities] == [told]
    assert [identity.eui for identity in sink.identities] == [None]
    group.stop()
