"""From what the finder and the doctors know to what the Modules page shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from app.modules.finder import KindProgress
from app.modules.groups import Group
from app.window.link_words import link_place
from device_io.discovery.module_list import KnownLink, KnownModule
from device_io.doctor import Check
from device_io.modbus.bus import rates
from device_io.urls import parse_serial_url
from widgets.modules.model import Check as ShownCheck
from widgets.modules.model import CheckState, Link, LinkKind, LinkState, Module, Search

_STATES = {"ok": CheckState.OK, "warn": CheckState.WARN, "bad": CheckState.BAD, "unknown": CheckState.WAITING}


def module_rows(modules: Iterable[KnownModule], groups: Iterable[Group]) -> list[Module]:
    """A row a module, groups last."""
    known = {module.eui: module for module in modules}
    joined = {eui: group.name for group in groups for eui in group.members}
    rows = [_row(module, joined.get(module.eui, "")) for module in known.values()]
    return rows + [_group_row(group, known) for group in groups]


def searches_of(progress: Sequence[KindProgress]) -> list[Search]:
    """What is being searched now; nothing when all is done."""
    if not any(part.running for part in progress):
        return []
    return [Search(LinkKind(part.kind), part.fraction, part.text, part.running) for part in progress]


def checks_of(checks: Iterable[Check]) -> list[ShownCheck]:
    """A doctor's checks."""
    return [ShownCheck(check.name, _STATES[check.state], check.text, check.advice) for check in checks]


def _row(module: KnownModule, group: str) -> Module:
    info = module.info
    return Module(
        key=module.eui,
        name=info.name or info.type,
        eui_end=module.eui[-4:],
        type=info.type.partition("-")[0],
        system=info.system,
        firmware=info.firmware,
        links=tuple(_link(link) for link in module.links),
        note=f"In group {group}" if group else "",
        can_join=info.system.startswith("1P") and "waveform-stream" in info.capabilities,
    )


def _link(link: KnownLink) -> Link:
    place = link_place(link.url)
    detail = f"{place}: {link.problem}" if link.problem else place + _rate(link)
    return Link(LinkKind(link.kind), LinkState(link.presence.value), detail)


def _rate(link: KnownLink) -> str:
    """How often a unit on a bus is read at present: the more units, the less often."""
    if link.kind != "rs485":
        return ""
    url = parse_serial_url(link.url, "rs485")
    rate_hz = rates(url.port).get(url.unit, 0.0)
    if not rate_hz:
        return ""
    return f", read {rate_hz:.1f} times a second" if rate_hz > 1.05 else f", read every {1.0 / rate_hz:.1f} s"


def _group_row(group: Group, known: dict[str, KnownModule]) -> Module:
    present = [known[eui] for eui in group.members if eui in known]
    missing = len(group.members) - len(present)
    neutral = bool(present) and present[0].info.system == "1P+N"
    return Module(
        key=group.key,
        name=group.name,
        system="3P+N" if neutral else "3P",
        type="Group",
        note=f"{missing} of its modules not found" if missing else "Three modules as one system",
        is_group=True,
    )
