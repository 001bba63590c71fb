"""The link to a module on an RS485 bus; all links of a port share its bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

from device_io.modbus.bus import Bus, join_bus
from device_io.modbus.line import LineOpener, open_line
from device_io.modbus.station import Station
from device_io.modbus.unit import Result, Steps, Unit
from device_io.source import LinkError, LinkErrorKind, LinkPhase, Readings, SampleBlock, Setting, Sink
from device_io.urls import LinkUrl, parse_serial_url
from resources.settings import modbus_settings, settings_table


class Rs485Link:
    """A `device_io.source.ModuleLink` over RS485.

    url: `rs485:PORT[?baud=&parity=&unit=]`. reconnect: after any failure look for the unit again every 0.5 to 2 s until
    stopped (phase LOST), else end with phase FAILED. readings_period_s: time from one set of readings to the next where
    the bus allows. snapshots: take one snapshot of the waveforms after the other and deliver it as blocks.

    Jobs (settings, readings, snapshots) wait their turn, at most 16; further ones fail at once (REFUSED).
    """

    def __init__(
        self,
        url: str | LinkUrl,
        *,
        reconnect: bool = True,
        readings_period_s: float = 1.0,
        snapshots: bool = False,
        opener: LineOpener = open_line,
    ) -> None:
        """:raises LinkError: (BAD_URL) for what is not the URL of a unit on RS485."""
        self._url = parse_serial_url(url, "rs485") if isinstance(url, str) else url
        self._reconnect = reconnect
        self._period_s = readings_period_s
        self._snapshots = snapshots
        self._opener = opener
        self._station: Station | None = None
        self._bus: Bus | None = None

    def start(self, sink: Sink) -> None:
        """Begin to deliver. Returns at once; failures arrive as a state. A link is started once."""
        if self._station is not None:
            raise RuntimeError("the link was started before")
        station = self._station = Station(
            self._url, sink, poll_s=self._period_s, snapshots=self._snapshots, reconnect=self._reconnect
        )
        station.tell(LinkPhase.OPENING)
        try:
            self._bus = join_bus(station, self._opener)
        except LinkError as error:
            station.fail(error)

    def stop(self) -> None:
        """End within 2 s. Nothing is delivered after it returns. May be called twice."""
        if self._bus is not None and self._station is not None:
            self._bus.leave(self._station)

    @property
    def rate_hz(self) -> float:
        """Sets of readings a second at present."""
        return self._station.rate_hz() if self._station else 0.0

    def read_settings(self) -> Future[Mapping[str, Setting]]:
        """All settings of the module."""
        return self._post(lambda unit: _at_once(unit.settings))

    def write_settings(self, values: Mapping[str, Setting]) -> Future[Mapping[str, Setting]]:
        """Change settings, all or none; the result is all settings as they then stand. A change of rs485_baud,
        rs485_parity or rs485_unit ends what this link can reach: open one with the new values and write `confirm`."""
        wanted = dict(values)
        for key, value in wanted.items():
            spec = settings_table().get(key)
            problem = f"There is no setting {key!r}." if spec is None else spec.problem(value)
            if problem is None and key not in modbus_settings():
                problem = f"{settings_table()[key].name} does not fit on a bus. Connect the module by USB."
            if problem is not None:
                return _refused(problem)
        return self._post(lambda unit: _at_once(lambda: unit.write_settings(wanted)))

    def read_readings(self) -> Future[Readings]:
        """The module's own readings, now."""
        return self._post(lambda unit: _at_once(unit.readings))

    def read_snapshot(self) -> Future[list[SampleBlock]]:
        """10 (12) cycles of every channel, taken now, a block a chip. It takes seconds; readings go on meanwhile."""
        return self._post(lambda unit: unit.snapshot())

    def _post(self, work: Callable[[Unit], Steps[Result]]) -> Future[Result]:
        if self._station is None:
            return _refused("The link is not open.")
        future = self._station.post(work)
        if self._bus is not None:
            self._bus.wake()
        return future


def _at_once(work: Callable[[], Result]) -> Steps[Result]:
    result = work()
    yield from ()
    return result


def _refused(sentence: str) -> Future[Result]:
    future: Future[Result] = Future()
    future.set_exception(LinkError(LinkErrorKind.REFUSED, sentence))
    return future
