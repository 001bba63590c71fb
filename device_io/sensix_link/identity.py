"""The identity of a module as JSON; docs/link-protocol.md section 5."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from device_io.sensix_link.json_payload import MessageError, dump_object, is_number, is_text, load_object
from device_io.sensix_link.rules import BAUDS
from device_io.source import CAPABILITIES, ChannelInfo, ChipInfo, ModuleInfo, ResponseSection
from resources.front_ends import default_response
from resources.systems import SYSTEMS, channels_of

_EUI = re.compile(r"[0-9A-F]{16}")
_RESPONSE_KINDS = ("highpass1", "lowpass1", "lowpass2", "delay")
_WHAT = "identity"


@dataclass(frozen=True)
class LinkOptions:
    """What the module's serial line can do: bauds, and codings of samples (numbers of `samples.Coding`)."""

    bauds: tuple[int, ...]
    codings: tuple[int, ...]


def identity_to_json(info: ModuleInfo, bauds: Iterable[int] = BAUDS, codings: Iterable[int] = (0, 1)) -> bytes:
    """UTF-8 JSON of the identity and of the link's options. Raises MessageError for values that JSON can't hold."""
    return dump_object(
        {
            "eui": info.eui,
            "type": info.type,
            "system": info.system,
            "firmware": info.firmware,
            "boot_id": info.boot_id,
            "name": info.name,
            "calibrated": info.calibrated,
            "capabilities": sorted(info.capabilities),
            "bauds": [int(baud) for baud in bauds],
            "codings": [int(coding) for coding in codings],
            "chips": [
                {
                    "nominal_rate_hz": chip.nominal_rate_hz,
                    "shift": chip.shift,
                    "channels": [
                        {
                            "key": channel.key,
                            "unit": channel.unit,
                            "unit_per_count": channel.unit_per_count,
                            "full_scale": channel.full_scale,
                            "response": [_section_to_json(section) for section in channel.response],
                        }
                        for channel in chip.channels
                    ],
                }
                for chip in info.chips
            ],
        }
    )


def identity_from_json(data: bytes) -> ModuleInfo:
    """The identity in the JSON of an IDENTITY_REPLY. Unknown keys are ignored, unknown capabilities left out.

    Raises MessageError with the first thing found wrong.
    """
    root = load_object(data, _WHAT)
    eui = _text(root, "eui")
    if not _EUI.fullmatch(eui):
        raise MessageError(f"{_WHAT}: eui {eui[:40]!a} is not 16 upper-case hex digits.")
    system = _text(root, "system")
    if system not in SYSTEMS:
        raise MessageError(f"{_WHAT}: wiring system {system[:40]!a} is none of {', '.join(SYSTEMS)}.")
    capabilities = _list(root, "capabilities")
    if not all(is_text(name) for name in capabilities):
        raise MessageError(f"{_WHAT}: capabilities are not all text.")
    chips = tuple(_chip(chip) for chip in _objects(root, "chips", 8))
    keys = [channel.key for chip in chips for channel in chip.channels]
    if sorted(keys) != sorted(channels_of(system)):
        raise MessageError(
            f"{_WHAT}: channels {', '.join(keys)[:80]} are not those of {system} ({', '.join(channels_of(system))})."
        )
    return ModuleInfo(
        eui=eui,
        type=_text(root, "type"),
        system=system,
        firmware=_text(root, "firmware"),
        chips=chips,
        capabilities=frozenset(capabilities) & CAPABILITIES,
        boot_id=_integer(root, "boot_id", 0, 2**32 - 1),
        name=_text(root, "name", ""),
        calibrated=None if root.get("calibrated") is None else _text(root, "calibrated"),
    )


def link_options_from_json(data: bytes) -> LinkOptions:
    """Bauds and codings in the JSON of an IDENTITY_REPLY; numbers that this version does not know are kept."""
    root = load_object(data, _WHAT)
    options = []
    for name, highest in (("bauds", 20_000_000), ("codings", 255)):
        numbers = _list(root, name)
        if not numbers or not all(type(number) is int and 0 <= number <= highest for number in numbers):
            raise MessageError(f"{_WHAT}: {name} is not a list of whole numbers.")
        options.append(tuple(numbers))
    return LinkOptions(*options)


def _section_to_json(section: ResponseSection) -> dict[str, Any]:
    if section.kind == "delay":
        return {"kind": section.kind, "delay_us": section.delay_us}
    if section.kind == "lowpass2":
        return {"kind": section.kind, "corner_hz": section.corner_hz, "q": section.q}
    return {"kind": section.kind, "corner_hz": section.corner_hz}


def _chip(chip: dict[str, Any]) -> ChipInfo:
    channels = tuple(_channel(channel) for channel in _objects(chip, "channels", 3))
    return ChipInfo(
        nominal_rate_hz=_positive(chip, "nominal_rate_hz"),
        channels=channels,
        shift=_integer(chip, "shift", 0, 8),
    )


def _channel(channel: dict[str, Any]) -> ChannelInfo:
    key, unit = _text(channel, "key"), _text(channel, "unit")
    if unit != ("V" if key.startswith("V") else "A"):
        raise MessageError(f"{_WHAT}: channel {key[:20]!a} can't have unit {unit[:20]!a}.")
    sections = []
    for section in _objects(channel, "response", 16, 0) if "response" in channel else []:
        kind = _text(section, "kind")
        if kind not in _RESPONSE_KINDS:
            raise MessageError(f"{_WHAT}: response section {kind[:20]!a} is none of {', '.join(_RESPONSE_KINDS)}.")
        if kind == "delay":
            sections.append(ResponseSection(kind, delay_us=_number(section, "delay_us")))
        else:
            q = _positive(section, "q") if kind == "lowpass2" else 0.0
            sections.append(ResponseSection(kind, corner_hz=_positive(section, "corner_hz"), q=q))
    unit_per_count = _number(channel, "unit_per_count")
    if unit_per_count == 0:
        raise MessageError(f"{_WHAT}: unit_per_count is 0.")
    if "response" not in channel:  # firmware that does not know its front end, which is then the usual one
        sections = [ResponseSection(s.kind, s.corner_hz, s.q, s.delay_us) for s in default_response()]
    return ChannelInfo(key, unit, unit_per_count, _positive(channel, "full_scale"), tuple(sections))


def _text(node: dict[str, Any], name: str, default: str | None = None) -> str:
    value = node.get(name, default)
    if isinstance(value, str) and is_text(value) and len(value) <= 200 and value.isprintable():
        return value
    raise MessageError(f"{_WHAT}: {name} is not a text of at most 200 printable characters.")


def _number(node: dict[str, Any], name: str) -> float:
    value = node.get(name)
    if not is_number(value):
        raise MessageError(f"{_WHAT}: {name} is not a number.")
    return float(value)  # type: ignore[arg-type]


def _positive(node: dict[str, Any], name: str) -> float:
    value = _number(node, name)
    if not (value > 0 and math.isfinite(1 / value)):
        raise MessageError(f"{_WHAT}: {name} is not greater than 0.")
    return value


def _integer(node: dict[str, Any], name: str, lowest: int, highest: int) -> int:
    value = node.get(name)
    if type(value) is not int or not lowest <= value <= highest:
        raise MessageError(f"{_WHAT}: {name} is not a whole number of {lowest} to {highest}.")
    return value


def _list(node: dict[str, Any], name: str) -> list[Any]:
    value = node.get(name)
    if not isinstance(value, list):
        raise MessageError(f"{_WHAT}: {name} is not a list.")
    return value


def _objects(node: dict[str, Any], name: str, most: int, least: int = 1) -> list[dict[str, Any]]:
    value = _list(node, name)
    if not (least <= len(value) <= most and all(isinstance(item, dict) for item in value)):
        raise MessageError(f"{_WHAT}: {name} is not a list of {least} to {most} objects.")
    return value
