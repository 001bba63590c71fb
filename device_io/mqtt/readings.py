"""From the payloads of one module to its readings: flags of what can't be true, corrections of what is certain."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from device_io.mqtt.counters import Counters
from device_io.mqtt.habits import Habits
from device_io.mqtt.payload import Decoded, decode_payload
from device_io.mqtt.plausibility import may_be_published
from device_io.mqtt.published_firmware import FLAG, FirmwareWatch, corrections
from device_io.mqtt.relations import CONTINUITY, look
from device_io.source import Readings
from resources.parameters import keys_for
from resources.systems import WiringSystem

SUSPECT = "suspect"
_NONE: Mapping[str, float] = MappingProxyType({})


class ReadingsDecoder:
    """system: set when the module tells it; then only the keys that exist in it are handed on."""

    def __init__(self) -> None:
        self._watch = FirmwareWatch()
        self._habits = {published: Habits(wary=published) for published in (False, True)}
        self._counters = Counters()
        self._keys: frozenset[str] | None = None
        self.why_suspect = ""

    def adopt(self, system: WiringSystem | None) -> None:
        """The wiring system, None where nobody knows it."""
        self._keys = None if system is None else frozenset(keys_for(system))

    def take(self, payload: bytes, host_time_ns: int) -> Readings:
        """Readings of one message; `values` as they were sent. PayloadError for what is none."""
        decoded = decode_payload(payload)
        self.why_suspect = decoded.implausible or self._unusual(decoded, host_time_ns)
        unreliable = not self.why_suspect and self._watch.take(decoded.head)
        unreliable = unreliable or self._watch.recognised
        flags = ((SUSPECT,) if self.why_suspect else ()) + ((FLAG,) if unreliable else ())
        corrected = corrections(decoded.values) if unreliable and not self.why_suspect else _NONE
        values = decoded.values
        if self._keys is not None:
            values = {key: value for key, value in values.items() if key in self._keys}
            corrected = {key: value for key, value in corrected.items() if key in self._keys}
        return Readings(None, host_time_ns, values, flags, corrected)

    def _unusual(self, decoded: Decoded, host_time_ns: int) -> str:
        """What this message does that those before it never did, though it may be; "" if nothing."""
        habits = self._habits[may_be_published(decoded.head)]
        odd = habits.take(*look(decoded.head, decoded.distortion))
        follows = None if odd else self._counters.take(decoded.head, host_time_ns * 1e-9)
        if follows is None:
            return odd
        return habits.take(CONTINUITY, 0) if follows else habits.take(0, CONTINUITY)
