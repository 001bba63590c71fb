"""How a request on the bus can fail."""

from __future__ import annotations


class BusError(Exception):
    """A request that was not answered as it should be."""


class NoReply(BusError):
    """Nobody answered."""


class DamagedReply(BusError):
    """Something came back, but no intact reply to this request."""


class ExceptionReply(BusError):
    """The unit is there and refuses. `code`: of Modbus. is_busy: whether it asks to be asked again later."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code
        self.is_busy = code in (5, 6)
