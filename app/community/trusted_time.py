"""Whether the computer's clock may be believed: a wrong one would silence a whole cell of the map."""

from __future__ import annotations

import time
from collections.abc import Callable

from app.community.broker import Broker
from app.community.map_answers import MapError
from app.community.outbox import AGREE_S
from app.community.rest import MapClient
from app.community.session import UploadError

VALID_S = 3600.0
"""A comparison holds so long, as long as the two clocks of this computer agree with each other."""
_JUMP_S = 5.0


class TrustedTime:
    """The time by the HTTP Date of `source` (the map, or another server that is trusted). Without one, only a broker on
    this very computer can be sent to: it has the same clock. how: a sentence that says how to name a source where
    there is none. Not for several threads."""

    def __init__(
        self, source: MapClient | None, broker: Broker, *, how: str = "", clock: Callable[[], float] = time.time
    ) -> None:
        self._how = how
        self._source = source
        self._broker = broker
        self._clock = clock
        self._offset_s = 0.0
        self._compared: tuple[float, float] | None = None  # monotonic, clock

    def now(self) -> float:
        """Epoch seconds: never ahead of the trusted clock, as far as it is known."""
        return self._clock() + min(self._offset_s, 0.0)

    @property
    def is_confirmed(self) -> bool:
        """Whether a source has confirmed the clock."""
        return self._compared is not None

    def confirm(self) -> None:
        """Compare the clocks unless that was done within the hour. UploadError if they differ by more than 60 s, or
        there is nothing to compare with."""
        if self._source is None:
            if self._broker.is_loopback:
                return
            words = "Nothing tells whether this computer's clock is right."
            raise UploadError(f"{words} {self._how}".strip(), permanent=True)
        if self._compared is not None:
            since_s = time.monotonic() - self._compared[0]
            if since_s < VALID_S and abs(self._clock() - self._compared[1] - since_s) < _JUMP_S:
                return
            self._compared = None
        try:
            offset_s = self._source.clock_offset_s()
        except MapError as wrong:
            raise UploadError(f"The computer's clock can't be compared: {wrong}") from None
        if abs(offset_s) > AGREE_S:
            raise UploadError(
                f"The computer's clock is {abs(offset_s):.0f} s {'behind' if offset_s > 0 else 'ahead'}; set it right, "
                "then sending goes on.",
                permanent=True,
            )
        self._offset_s = offset_s - 1.0  # the Date counts whole seconds
        self._compared = (time.monotonic(), self._clock())
