"""What can't be true in one message, whatever firmware sent it: the payload has no check of its own.

0 stands for "not measured" and is always possible. What the published firmware is known to send wrongly does not count
where a message may come from it (`may_be_published`).
"""

from __future__ import annotations

from device_io.mqtt.payload_layout import CHANNELS, COARSE, FINE, Distortion, Head

MAX_V, MAX_A, MAX_W = 1000, 1000, 1_000_000
"""More than any module measures; between two phases it may be twice as many volts."""
_MAX_MILLIWH = 10**15
_MIN_MILLIHZ = 40_000
_MAX_VOLTAGE_PCT, _MAX_CURRENT_PCT, _VOLTAGES = 100, 1000, 3
_SLACK, _UNIT = 1.02, 1000  # values may be cut, or come from windows that differ a little; 1 V, W or VA
_THD_SLACK = 2.0  # of squares: THD and harmonics may be grouped differently (IEC 61000-4-7)


def may_be_published(head: Head) -> bool:
    """Whether this could be a message of the published firmware: the sum of S repeats that of P, L2 and L3 have no
    power factor. So does a sound 1P module with nothing but heaters."""
    return head.s[3] == head.p[3] and not head.pf[1] and not head.pf[2]


def why_impossible(head: Head, distortion: Distortion) -> str:
    """Why these can't be true, "" if they can: outside of what a module at a low-voltage grid can measure, or
    contradicting each other whatever way they were worked out."""
    return (
        _out_of_range(head)
        or _lines_contradict(head)
        or _unknown_form(distortion)
        or (_active_contradicts(head) if may_be_published(head) else _contradiction(head, distortion))
    )


def _out_of_range(head: Head) -> str:
    phases, lines, currents, powers = head.v, head.lines, head.i, head.p + head.s + head.q
    if max(phases) > 1000 * MAX_V or max(lines) > 2000 * MAX_V or min(phases) < 0 or min(lines) < 0:
        return f"a voltage is below 0 or above {MAX_V} V"
    if max(currents) > 1000 * MAX_A or min(currents) < 0:
        return f"a current is below 0 or above {MAX_A} A"
    if max(powers) > 1000 * MAX_W or min(powers) < -1000 * MAX_W:
        return f"a power is above {MAX_W // 1_000_000} MW"
    if max(head.pf) > 100 or min(head.pf) < -100:
        return "a power factor is above 1"
    if head.sequence[0] not in (0, 1):
        return "the phase sequence is neither right nor wrong"
    return ""


def _lines_contradict(head: Head) -> str:
    one, two, three = head.v
    for line, u, w in zip(head.lines, (one, two, three), (two, three, one), strict=True):
        if line > _SLACK * (u + w) + _UNIT:
            return "a voltage between two phases is more than those of the phases together"
        if line and u and w and _SLACK * line + _UNIT < abs(u - w):
            return "a voltage between two phases is less than what the phases differ by"
    return ""


def _active_contradicts(head: Head) -> str:
    for p, s in zip(head.p, head.s, strict=True):
        if abs(p) > _SLACK * abs(s) + _UNIT:
            return "an active power is more than the apparent power"
    return ""


def _unknown_form(distortion: Distortion) -> str:
    for n, fundamental in enumerate(distortion.fundamentals):
        if fundamental not in (0, COARSE, FINE):
            return f"the fundamental of {CHANNELS[n]} reads {fundamental:.0f}, neither {COARSE} nor {FINE}"
    return ""


def _contradiction(head: Head, distortion: Distortion) -> str:
    energies = head.active_energy + head.apparent_energy + head.reactive_energy
    if max(energies) > _MAX_MILLIWH or min(energies) < -_MAX_MILLIWH:
        return "an energy is more than anybody has used"
    hz = head.hz
    if min(hz) < _MIN_MILLIHZ and any(0 < one < _MIN_MILLIHZ for one in hz):
        return f"a frequency is below {_MIN_MILLIHZ // 1000} Hz"
    for v, i, s in zip(head.v, head.i, head.s, strict=False):  # the phases
        if 1000 * (abs(s) - _UNIT) > _SLACK * v * i:
            return "an apparent power is more than voltage times current"
    for p, q, s in zip(head.p, head.q, head.s, strict=True):
        most = _SLACK * abs(s) + _UNIT
        if p * p + q * q > most * most:
            return "active and reactive power are more than the apparent power together"
    for n, (fundamental, thd, total, squares) in enumerate(zip(*distortion, strict=True)):
        most = (_MAX_VOLTAGE_PCT if n < _VOLTAGES else _MAX_CURRENT_PCT) * 0.01 * (fundamental or FINE)
        if thd > most or squares > most * most:
            return f"THD or harmonics of {CHANNELS[n]} are above {100 * most / (fundamental or FINE):.0f} %"
        # Each harmonic was rounded, by half a step, or cut: sum of (h - 1/2)^2 <= (THD + 1)^2.
        if thd and squares - total > _THD_SLACK * (thd + 1.0) * (thd + 1.0):
            return f"the harmonics of {CHANNELS[n]} are more than its THD"
    return ""
