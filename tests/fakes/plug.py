"""A fault that lasts as long as a test wants, whatever the computer is busy with meanwhile."""

from __future__ import annotations


class Plug:
    """Stands where an interval of the faults `unplug`, `stall` or `off` does. out: whether it is pulled."""

    out = False

    def holds(self, _t: float) -> bool:
        return self.out
