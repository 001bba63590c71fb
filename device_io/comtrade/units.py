"""Units as recorders write them."""

from __future__ import annotations

import re

_PREFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6}
_WORD_PREFIXES = {"": 1.0, "kilo": 1e3, "mega": 1e6, "milli": 1e-3, "micro": 1e-6}
_SYMBOL = re.compile(r"([kKMmuµμ]?)([VvAa])(?:[\s_-]*(?i:ac|inst|pri|prim|primary|sec|secondary))?")
_BRACKETS = re.compile(r"[\[\]()]")
_WORD = re.compile(r"(kilo|mega|milli|micro|k|m)?\s*(volt|ampere|amp)s?", re.I)


def parse_unit(text: str) -> tuple[str | None, float]:
    """("V" or "A", factor to volts or amperes) of a unit such as kV, mA, volt or Amps; (None, 1.0) for any other."""
    text = _BRACKETS.sub(" ", text).strip()
    symbol = _SYMBOL.fullmatch(text)
    if symbol:
        return symbol[2].upper(), _PREFIXES[symbol[1]]
    word = _WORD.fullmatch(text)
    if word:
        prefix = (word[1] or "").lower()
        factor = {"k": 1e3, "m": 1e-3}.get(prefix) or _WORD_PREFIXES[prefix]
        return word[2][0].upper(), factor
    return None, 1.0
