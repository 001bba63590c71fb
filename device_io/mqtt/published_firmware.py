"""The published firmware: how it is recognised, what it sends wrongly, what can be put right with certainty.

Its faults: PF of all phases is written to L1 (L3's stays), the phase sequence always reads right and the leakage 0, the
sum of S repeats the sum of P, on a clean sine Q equals P and frequency and angles mean nothing, THD and harmonics use
half of each spectral line (and all read 0 on 60 Hz).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping

from device_io.mqtt.payload import pack_raw
from device_io.mqtt.payload_layout import COARSE, Head, field_of, limits_of, payload_keys
from device_io.mqtt.plausibility import may_be_published
from resources.parameters import table

MESSAGES = 5
"""So many messages must bear its signature, or contradict it, before that counts."""
FLAG = "unreliable-firmware"

_MIN_W, _MIN_A, _MIN_V = 1.0, 0.1, 10.0  # below, truncation to mW and mA hides what the signature tells
_MAX_PF = 1.02
_MOST = 2**31 - 1  # mW; there a sum is cut off
_PHASES = ("1", "2", "3")


def unreliable_keys() -> frozenset[str]:
    """Keys that its faults touch."""
    groups = ("SP", "fSP", "tAE", "SE", "fQE", "phi", "Fq")
    keys = [key for key in payload_keys() if key.startswith(groups) or table()[key].unit in ("%", "deg")]
    return frozenset([*keys, "PF1i", "PF2i", "PF3i", "Prot", "ILr"])


class FirmwareWatch:
    """Recognises the published firmware of one module, message by message.

    Its signature: the sum of S repeats the sum of P to the last digit although that is no sum of S, because L2 or L3
    carries load but has power factor 0, or because Q equals P. No sound module can send that: S = P needs Q = 0
    and PF = 1. Messages with too little load tell nothing. A module whose firmware is replaced is trusted again.
    """

    def __init__(self) -> None:
        self._score = 0
        self.recognised = False

    def take(self, head: Head) -> bool:
        """Look at the next message (`Decoded.head`); whether the module is known to run it."""
        verdict = bears_signature(head)
        if verdict is not None:
            self._score = min(max(self._score + (1 if verdict else -1), 0), MESSAGES)
            if self._score in (0, MESSAGES):
                self.recognised = self._score == MESSAGES
        return self.recognised


def bears_signature(head: Head) -> bool | None:
    """Whether one message shows the published firmware; None where it can't tell."""

    total = abs(head.p[3])
    if head.pf[1] or head.pf[2]:
        return False  # it never writes these
    # What one phase exports another one may use: then the sum is near nothing, but not what it is made of.
    if total >= _MOST or max(total, *map(abs, head.s)) < 1000 * _MIN_W:
        return None
    if not may_be_published(head):
        return False
    # A sound module would send a PF of at least 0.02 for these.
    loaded = [
        n
        for n in range(len(_PHASES))
        if head.i[n] >= 1000 * _MIN_A and abs(head.p[n]) >= max(1000 * _MIN_W, 0.02 * 1e-3 * head.v[n] * head.i[n])
    ]
    if any(n > 0 for n in loaded):
        return True  # a load without power factor
    if loaded and all(head.q[n] == head.p[n] for n in loaded):
        return True
    return None


def corrections(values: Mapping[str, float | None]) -> dict[str, float]:
    """What follows with certainty from the values that are sound (U, I, P): {key: value}.

    By definition S = U I and PF = P / S of a phase (IEEE 1459-2010, 3.1.2), and SPc is the sum of S. Q has a sign that
    nobody knows; frequency, angles, harmonics, sequence and leakage were never sent. Where U or I is so small that the
    last digit matters, and where P exceeds U I, nothing is certain.
    """
    found: dict[str, float] = {}
    apparent = []
    for p in _PHASES:
        v, i, active = values.get(f"V{p}r"), values.get(f"I{p}r"), values.get(f"P{p}")
        if v is None or i is None or active is None:
            return {}
        if i == 0.0 and active == 0.0:
            apparent.append(0.0)
        elif v >= _MIN_V and i >= _MIN_A and abs(active) <= _MAX_PF * v * i:
            apparent.append(v * i)
            found[f"SP{p}"] = v * i
            found[f"PF{p}i"] = math.copysign(min(abs(active) / (v * i), 1.0), active)
        else:
            apparent.append(math.nan)
    total = sum(apparent)
    if total > 0.0:  # False for NaN
        found["SPc"] = total
    return found


def imitate(values: Mapping[str, float | None]) -> bytes:
    """The 706 bytes that the published firmware makes of true values: its faults and its rounding."""
    sent = {key: values.get(key) or 0.0 for key in payload_keys()}
    for p in _PHASES:
        sent[f"fSP{p}"] = sent[f"P{p}"]
        sent[f"SP{p}"] = math.sqrt(2.0) * abs(sent[f"P{p}"])  # whatever the load, on a clean sine
    sent |= {"fSPc": sent["Pc"], "SPc": sent["Pc"], "Prot": 1.0, "ILr": 0.0}
    sent |= {"PF1i": math.copysign(math.sqrt(0.5), sent["P3"]) if sent["P3"] else 0.0, "PF2i": 0.0, "PF3i": 0.0}
    return pack_raw({key: _as_written(key, value) for key, value in sent.items()})


def _as_written(key: str, value: float) -> int:
    """Multiplied as float32 x double, cut toward zero; 32 and 64 bits clamp, 16 and 8 bits wrap."""
    field = field_of(key)
    scale = COARSE if field.fine_scale is not None else field.scale
    number = int(_float32(value / 100 if field.fine_scale is not None else value) * scale)
    low, high = limits_of(field)
    if field.size >= 4:
        return min(max(number, low), high)
    return (number - low) % (high - low + 1) + low


def _float32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])
