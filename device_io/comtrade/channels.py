"""Tells from phase field, unit and name which channels are V1 V2 V3, I1 I2 I3 and IN."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from device_io.comtrade.config import AnalogChannel
from device_io.comtrade.errors import FileError

VOLTAGES = ("V1", "V2", "V3")
CURRENTS = ("I1", "I2", "I3")
NEUTRAL = "IN"
KEYS = (*VOLTAGES, *CURRENTS, NEUTRAL)

_FAMILIES = ("123", "ABC", "RST", "RYB")
_LISTED = 40

_SPLIT = re.compile(r"[^A-Z0-9]+")
_KIND_WORDS = {
    "V": "V", "U": "V", "VOLT": "V", "VOLTS": "V", "VOLTAGE": "V", "VOLTAGES": "V", "SPANNUNG": "V",
    "I": "A", "AMP": "A", "AMPS": "A", "CURRENT": "A", "CURRENTS": "A", "STROM": "A",
}  # fmt: skip
_FILL_WORDS = {"PHASE", "PH", "PHS", "CH", "L", "KV", "KA", "MV", "MA", "VT", "CT", "PRI", "INST"}
_DERIVED = {"RMS", "MAG", "ANG", "ANGLE", "THD", "MEAN", "AVG", "DIFF", "IDIFF", "BIAS", "IBIAS", "SEQ", "RES"}
_COMPOUND = re.compile(r"([UVI])(?:L|PH)?([ABCRSTYN1-4])(?:[NGE])?")
_PAIR = re.compile(r"([UV])L?([ABCRSTY123])L?([ABCRSTY123])")
_PAIRS = {one + other for family in _FAMILIES for one in family for other in family if one != other}
_PHASE_TOKEN = re.compile(r"(?:L|PHASE|PHS|PH)?([123])|(?:PHASE|PHS|PH)?([ABCRSTYN])(?:[NGE])?|I?(N)EUT(?:RAL)?")


@dataclass(frozen=True)
class Assignment:
    """assigned: {key: channel}. fourth_current: a fourth current whose name does not say what it measures. between: V1,
    V2 and V3 are the voltages from L1 to L2, L2 to L3 and L3 to L1."""

    assigned: Mapping[str, AnalogChannel]
    fourth_current: AnalogChannel | None = None
    notes: tuple[str, ...] = ()
    between: bool = False


@dataclass(frozen=True)
class _Guess:
    """What a channel's name says. phase: A B C R S T Y 1 2 3 4 N, two of them between lines, "" nothing. group: the
    rest of its name, the same for channels that belong together."""

    channel: AnalogChannel
    kind: str
    phase: str
    group: str

    @property
    def between(self) -> bool:
        """Whether it is a voltage between two lines."""
        return len(self.phase) == 2


@dataclass
class _Set:
    """Phases of one kind (V or A) that belong together; keys 1 2 3 N 4 as far as there are."""

    group: str
    phases: dict[str, AnalogChannel] = field(default_factory=dict)


def assign_channels(channels: Sequence[AnalogChannel], mapping: Mapping[str, str] | None = None) -> Assignment:
    """Assign channels to keys. `mapping` {key: channel name or number} comes first: naming one voltage (or phase
    current) replaces all recognised voltages (or currents, with the neutral). FileError where it stays open which
    ones are meant; its sentence lists the channels."""
    given = _given(channels, mapping or {})
    guesses = [guess for channel in channels if (guess := _guess(channel)) is not None]
    assigned: dict[str, AnalogChannel] = {}
    notes: list[str] = []
    fourth: AnalogChannel | None = None
    between = False
    if not given.keys() & set(VOLTAGES):
        found = _one_set(guesses, "V", channels)
        if found is None:
            found, between = _between_lines(guesses), True
        if found is None:
            raise FileError(f"No phase voltage was recognised among the channels of the record. {_ask(channels)}")
        assigned |= {f"V{p}": found.phases[p] for p in "123" if p in found.phases}
        if between:
            names = ", ".join(assigned[key].label for key in VOLTAGES)
            notes.append(f"The record holds voltages between lines: V1, V2, V3 follow from {names}, without neutral.")
        elif any(guess.between for guess in guesses):
            notes.append("Line-to-line voltages of the record are left out: they follow from the phase voltages.")
        if not found.phases.keys().isdisjoint("4N"):
            notes.append("A voltage of the neutral is left out.")
    if not given.keys() & set(CURRENTS):
        found = None
        try:
            found = _one_set(guesses, "A", channels)
        except FileError:
            if not given:
                raise
            notes.append("The currents are not measured: name them as well (--channels ...,I1=NAME,I2=NAME,I3=NAME).")
        if found is not None:
            assigned |= {f"I{p}": found.phases[p] for p in "123" if p in found.phases}
            neutral = found.phases.get("N") or _only_neutral(guesses)
            if neutral is not None and neutral not in given.values():
                assigned[NEUTRAL] = neutral
            fourth = None if neutral or NEUTRAL in given else found.phases.get("4")
    assigned |= given
    _check(assigned, channels)
    ordered = {key: assigned[key] for key in KEYS if key in assigned}
    return Assignment(ordered, fourth, tuple(notes), between)


def _check(assigned: Mapping[str, AnalogChannel], channels: Sequence[AnalogChannel]) -> None:
    """Refuse sets that are no wiring system."""
    phases = {kind: tuple(key for key in keys if key in assigned) for kind, keys in (("V", VOLTAGES), ("I", CURRENTS))}
    if phases["V"] not in (VOLTAGES, VOLTAGES[:1]) or len(phases["I"]) not in (0, len(phases["V"])):
        have = ", ".join((*phases["V"], *phases["I"])) or "none"
        raise FileError(
            f"One or three voltages, with as many currents or none, can be measured; here are {have}. {_ask(channels)}"
        )
    if phases["I"] and phases["I"] != CURRENTS[: len(phases["I"])]:
        raise FileError(f"The current that belongs to V1 has to be I1. {_ask(channels)}")


def _given(channels: Sequence[AnalogChannel], mapping: Mapping[str, str]) -> dict[str, AnalogChannel]:
    given: dict[str, AnalogChannel] = {}
    for key, name in mapping.items():
        key = key.strip().upper()
        if key not in KEYS:
            raise FileError(f'"{key}" is no input; the inputs are {", ".join(KEYS)}.')
        channel = _named(channels, name.strip())
        unit = "V" if key in VOLTAGES else "A"
        if channel.unit not in (unit, None):
            raise FileError(f"Channel {channel.label} is in {channel.unit_text}: it can't be {key}. {_ask(channels)}")
        for other, taken in given.items():
            if taken is channel and other != key:
                raise FileError(f"Channel {channel.label} is given to both {other} and {key}. {_ask(channels)}")
        given[key] = channel
    return given


def _named(channels: Sequence[AnalogChannel], name: str) -> AnalogChannel:
    found = [channel for channel in channels if channel.name == name]
    found = found or [channel for channel in channels if channel.name.casefold() == name.casefold()]
    if len(found) > 1:
        numbers = ", ".join(str(channel.number) for channel in found)
        raise FileError(f'Several channels are named "{name}": give the number instead, one of {numbers}.')
    if not found and name.isdecimal():
        found = [channel for channel in channels if str(channel.number) == str(int(name))]
    if found:
        return found[0]
    names = {channel.name.casefold(): channel.name for channel in channels}
    near = [names[match] for match in difflib.get_close_matches(name.casefold(), names, n=4, cutoff=0.5)]
    hint = "Near to it: " + ", ".join(f'"{match}"' for match in near) + "." if near else _list(channels)
    raise FileError(f'The record has no channel "{name}". {hint}')


def _guess(channel: AnalogChannel) -> _Guess | None:
    """What a channel is, None where it is neither a voltage nor a current of the line."""
    tokens = [token for token in _SPLIT.split(channel.name.upper()) if token]
    kind, phase, rest = _read_tokens(tokens, channel.unit)
    field_kind, field_phase, _ = _read_tokens(
        [token for token in _SPLIT.split(channel.phase.upper()) if token], channel.unit or kind
    )
    unit = channel.unit or (None if channel.unit_text else kind or field_kind)
    if unit is None or set(tokens) & _DERIVED or any(found not in (None, unit) for found in (kind, field_kind)):
        return None
    pair = next((found for found in (phase, field_phase) if len(found) == 2), "")
    return _Guess(channel, unit, pair or field_phase or phase, rest)


def _read_tokens(tokens: Sequence[str], unit: str | None) -> tuple[str | None, str, str]:
    """(kind "V" "A" or None, phase, what remains) of the words of a name."""
    compounds = [k for k, token in enumerate(tokens) if _COMPOUND.fullmatch(token) or _pair(token)]
    compounds = [k for k in compounds if tokens[k] not in _FILL_WORDS] or compounds
    if compounds:  # UL1, VAN, IR, U12
        at = compounds[-1]
        compound = _COMPOUND.fullmatch(tokens[at])
        kind = "A" if tokens[at][0] == "I" else "V"
        phase = compound[2] if compound else _pair(tokens[at])
        used = {at}
        following = _PHASE_TOKEN.fullmatch(tokens[at + 1]) if at + 1 < len(tokens) else None
        if following is not None:
            other = _letter(following)
            if other == "N":  # UL1-N
                used.add(at + 1)
            elif kind == "V" and phase + other in _PAIRS:  # UL1-L2
                used.add(at + 1)
                phase += other
        return kind, phase, _rest(tokens, used)
    kinds = [k for k, token in enumerate(tokens) if token in _KIND_WORDS]
    named_kind = _KIND_WORDS[tokens[kinds[0]]] if kinds else None
    singles = {k: _letter(match) for k, token in enumerate(tokens) if (match := _PHASE_TOKEN.fullmatch(token))}
    for k, letter in singles.items():  # V A-B
        if (unit or named_kind) == "V" and (pair := letter + singles.get(k + 1, "")) in _PAIRS:
            return named_kind, pair, _rest(tokens, {k, k + 1, *kinds})
    if not singles:
        return named_kind, "", _rest(tokens, set(kinds))
    best = max(singles, key=lambda k: (_weight(tokens, k, kinds), k))
    ground = {best + 1} if singles.get(best + 1) == "N" else set()
    return named_kind, singles[best], _rest(tokens, {best, *ground, *kinds})


def _weight(tokens: Sequence[str], k: int, kinds: Sequence[int]) -> int:
    """How plainly the token at k names a phase: "phase B" and "current B" before L2, B, N and 2."""
    token = tokens[k]
    if k and (k - 1 in kinds or tokens[k - 1] in ("PHASE", "PH", "PHS")):
        return 4
    if len(token) > 1:
        return 3
    return 0 if token.isdecimal() else 1 if token == "N" else 2


def _letter(match: re.Match[str]) -> str:
    return next(group for group in match.groups() if group)


def _rest(tokens: Sequence[str], used: Collection[int]) -> str:
    return " ".join(token for k, token in enumerate(tokens) if k not in used and token not in _FILL_WORDS)


def _pair(token: str) -> str:
    """The two lines that a word like UL1L2 or VAB names, "" for another word."""
    pair = _PAIR.fullmatch(token)
    return pair[2] + pair[3] if pair is not None and pair[2] + pair[3] in _PAIRS else ""


def _one_set(guesses: Sequence[_Guess], kind: str, channels: Sequence[AnalogChannel]) -> _Set | None:
    """The one set of phases of a kind; None where there is nothing of the kind."""
    mine = [guess for guess in guesses if guess.kind == kind and not guess.between]
    phased = [guess for guess in mine if guess.phase not in ("N", "4")]
    if not phased:
        return None
    complete = (
        _complete_sets(mine, lambda guess: guess.group)
        or _complete_sets(mine, lambda guess: f"{guess.group}/{guess.channel.component}")
        or _complete_sets(mine, lambda _: "")
    )
    if len(complete) == 1:
        return complete[0]
    if not complete and len(phased) == 1:
        only = _Set(phased[0].group, {"1": phased[0].channel})
        only.phases |= {guess.phase: guess.channel for guess in mine if guess.phase in ("N", "4")}
        return only
    what = "voltages" if kind == "V" else "currents"
    reason = (
        f"The record holds {len(complete)} sets of three {what}"
        if complete
        else f"It can't be told which of the {what} of the record belong to the phases"
    )
    raise FileError(f"{reason}. {_ask(channels)}")


def _between_lines(guesses: Sequence[_Guess]) -> _Set | None:
    """The one set of voltages between three lines, each in either direction; 1 2 3: from L1, L2, L3 to the next."""
    sets = []
    for family in _FAMILIES:
        phases: dict[str, list[AnalogChannel]] = defaultdict(list)
        for guess in guesses:
            for p, (one, other) in enumerate(zip(family, family[1:] + family[0], strict=True), 1):
                if guess.phase == one + other:
                    phases[str(p)].append(guess.channel)
                elif guess.phase == other + one:
                    phases[str(p)].append(
                        replace(guess.channel, scale=-guess.channel.scale, offset=-guess.channel.offset)
                    )
        if [len(phases[p]) for p in "123"] == [1, 1, 1]:
            sets.append(_Set("", {p: phases[p][0] for p in "123"}))
    return sets[0] if len(sets) == 1 else None


def _complete_sets(guesses: Sequence[_Guess], group_of: Callable[[_Guess], str]) -> list[_Set]:
    """Groups in which each of three phases stands exactly once."""
    groups: dict[str, dict[str, list[AnalogChannel]]] = defaultdict(lambda: defaultdict(list))
    for guess in guesses:
        groups[group_of(guess)][guess.phase].append(guess.channel)
    sets = []
    for group, by_phase in groups.items():
        for family in _FAMILIES:
            if all(len(by_phase.get(letter, ())) == 1 for letter in family):
                phases = {str(p): by_phase[letter][0] for p, letter in enumerate(family, 1)}
                phases |= {letter: by_phase[letter][0] for letter in "4N" if len(by_phase.get(letter, ())) == 1}
                sets.append(_Set(group, phases))
    return sets


def _only_neutral(guesses: Sequence[_Guess]) -> AnalogChannel | None:
    neutrals = [guess.channel for guess in guesses if guess.kind == "A" and guess.phase == "N"]
    return neutrals[0] if len(neutrals) == 1 else None


def _ask(channels: Sequence[AnalogChannel]) -> str:
    return f"Say it with --channels V1=NAME,V2=NAME,...,I1=NAME,... (names or numbers). {_list(channels)}"


def _list(channels: Sequence[AnalogChannel]) -> str:
    shown = ", ".join(channel.label for channel in channels[:_LISTED])
    more = f" and {len(channels) - _LISTED} more" if len(channels) > _LISTED else ""
    return f"The channels are: {shown}{more}."
