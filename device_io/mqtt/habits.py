"""What a module has always kept, message after message: once it is broken, the message was damaged on the way.

A firmware that works a value out in its own way breaks a relation from the first message on, so that it is never
expected of it. One that begins to (it was replaced, or an event shows that the relation only happened to hold) is not
suspected for more than two messages in a row.
"""

from __future__ import annotations

from device_io.mqtt.relations import RELATIONS

MOST, KNOWN, LOST = 16, 10, 4
"""A relation counts as a habit from ten messages on; each that breaks it weighs as much as four that keep it."""


class Habits:
    """Of one module. wary: of a firmware whose values are noise by themselves; only what all of its last 16 messages
    kept counts then. Not safe for use from several threads."""

    def __init__(self, *, wary: bool = False) -> None:
        self._known, self._lost = (MOST, MOST) if wary else (KNOWN, LOST)
        self._scores = [0] * len(RELATIONS)
        self._settled = 0  # those whose score can't grow

    def take(self, kept: int, broken: int) -> str:
        """One message by its relations (`relations.look`): which habit it breaks, "" if none."""
        if not broken and not kept & ~self._settled:
            return ""
        odd = ""
        for n, score in enumerate(self._scores):
            bit = 1 << n
            if broken & bit:
                if score >= self._known and not odd:
                    odd = RELATIONS[n]
                self._scores[n] = max(score - self._lost, 0)
                self._settled &= ~bit
            elif kept & bit and score < MOST:
                self._scores[n] = score + 1
                if score + 1 == MOST:
                    self._settled |= bit
        return odd
