"""Measures a live module by the declared voltage that it was told, else by what is found in what it measures."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from numpy.typing import NDArray

from app.declared_voltage import NEAR, USUAL_V, usual_voltage_v
from app.specs import chip_specs
from device_io.source import ModuleInfo
from dsp.measurement import Measurement
from dsp.monitor import Monitor, Result

WINDOWS_TO_CHANGE = 300
"""10/12-cycle windows, a minute: what lasts longer is no dip and no swell, so that another voltage is declared."""

_Push = tuple[int, int, NDArray[Any], float, int]


class LiveMonitor:
    """A Monitor with the same calls, and windows among its results whatever `every` names.

    The first window decides the declared voltage: the one that the module was told (told_v, asked once, None where
    nothing is known) if it is near that, else one of USUAL_V; the blocks until then are measured again where that is
    not the first of them. It changes when another has been near for a minute and the declared one has not.
    """

    def __init__(
        self, info: ModuleInfo, *, every: Collection[str] = (), told_v: Callable[[], float | None] = lambda: None
    ) -> None:
        self._info = info
        self._ask, self._told_v = told_v, None
        self._every = ("10/12-cycle", *every)
        self._held: list[_Push] | None = []  # until the first window
        self._away = 0
        self.declared_v = USUAL_V[0]
        self._monitor = self._made()

    def push(self, chip: int, first_index: int, samples: NDArray[Any], device_time_us: float, utc_ns: int) -> None:
        """Take the next block of one chip, as Monitor.push does."""
        block = (chip, first_index, samples, device_time_us, utc_ns)
        if self._held is not None:
            self._held.append(block)
        self._monitor.push(*block)

    def pull(self) -> list[Result]:
        """What is complete, in order of its end."""
        results = self._monitor.pull()
        if self._held is not None:
            return self._begin(results) if results else []
        if self._is_other(results):
            self._monitor = self._made()
        return results

    def finish(self) -> list[Result]:
        """What remains; intervals under way as far as they came."""
        return self._monitor.finish()

    def restart(self) -> None:
        """The module restarted."""
        if self._held is not None:
            self._held = []
        self._monitor.restart()

    def _made(self) -> Monitor:
        info = self._info
        return Monitor(
            info.system,
            chip_specs(info),
            every=self._every,
            events=False,
            nominal_voltage_v=self.declared_v,
            module=info.eui,
        )

    def _begin(self, results: list[Result]) -> list[Result]:
        held, self._held = self._held or [], None
        self._told_v = self._ask()
        usual_v = usual_voltage_v(max(map(_highest_v, _windows(results)), default=0.0), self._told_v)
        if usual_v is None or usual_v == self.declared_v:
            return results
        self.declared_v = usual_v
        self._monitor = self._made()
        for block in held:
            self._monitor.push(*block)
        return self._monitor.pull()

    def _is_other(self, results: Iterable[Result]) -> bool:
        """Whether another voltage is the declared one from now on."""
        for window in _windows(results):
            highest_v = _highest_v(window)
            usual_v = usual_voltage_v(highest_v, self._told_v)
            is_away = usual_v is not None and abs(highest_v / self.declared_v - 1.0) > NEAR
            self._away = self._away + 1 if is_away else 0
            if usual_v is not None and self._away >= WINDOWS_TO_CHANGE:
                self.declared_v, self._away = usual_v, 0
                return True
        return False


def _windows(results: Iterable[Result]) -> Iterable[Measurement]:
    return (r for r in results if isinstance(r, Measurement) and r.window == "10/12-cycle")


def _highest_v(window: Measurement) -> float:
    """Rms of the highest voltage to neutral; 0 where there is none."""
    return max((v for p in "123" if (v := window.values.get(f"V{p}r")) is not None), default=0.0)
