"""What is known of a module's firmware, put into the panel."""

from __future__ import annotations

from typing import NamedTuple

from app.firmware_page import words as words
from app.firmware_page.facts import Facts
from app.firmware_page.modules import Connected
from app.firmware_page.stages import Kind
from device_io.flashing.result import FlashResult
from firmware_images.package import FirmwarePackage
from widgets.firmware import FirmwarePanel
from widgets.firmware.model import Headline


class Ended(NamedTuple):
    """A job that has ended. package: the firmware it was about, None where it was a backup."""

    kind: Kind
    module: Connected
    result: FlashResult
    package: FirmwarePackage | None


def shown_package(facts: Facts, ended: Ended | None) -> FirmwarePackage | None:
    """The firmware that is offered; what was just written stays in sight where there is nothing newer."""
    return facts.package or (ended.package if ended is not None and _went_well(ended) else None)


def show_facts(panel: FirmwarePanel, facts: Facts, ended: Ended | None) -> None:
    """Versions, changes and backup."""
    module, package = facts.module, shown_package(facts, ended)
    panel.set_versions(words.installed_words(module.firmware if module else ""), words.package_words(package))
    nothing = (
        "There is none that is newer on this computer. Look online, or choose an image."
        if package is None
        else "Nothing is said about changes."
    )
    panel.set_changes(words.changes_of(package), nothing=nothing)
    show_backups(panel, facts)


def show_backups(panel: FirmwarePanel, facts: Facts) -> None:
    """The backups that are kept, and the one that was picked of them."""
    picked = facts.backups.index(facts.backup) if facts.backup in facts.backups else 0
    panel.set_backups([words.backup_words(backup) for backup in facts.backups], picked)


def show_safety(panel: FirmwarePanel, facts: Facts, backs_up: bool, kind: Kind) -> None:
    """Why it is safe. A second slot helps an update alone: a backup is put back in its place."""
    title, text, safe = words.safety_words(backs_up, facts.two_slots if kind is Kind.UPDATE else None)
    panel.set_safety(title, text, safe=safe)


def headline(facts: Facts, ended: Ended | None, chosen: bool) -> Headline:
    """The sentence at the top while nothing runs. chosen: whether a person chose the image."""
    module, result = facts.module, ended.result if ended is not None else None
    if facts.unfinished is not None and module is None:
        return words.elsewhere(facts.unfinished)
    if facts.unfinished is not None and module is not None and not (chosen and facts.packages):
        return words.recovery(module.name, facts.unfinished, result, facts.problem if chosen else "")
    if ended is not None:
        name = ended.module.name
        return words.done(ended.kind, name, ended.result) if _went_well(ended) else words.failed(name, ended.result)
    if module is None:
        return words.nothing_connected()
    return words.ready(module.name, module.firmware, facts.package, chosen, facts.problem, postponed=facts.postponed)


def _went_well(ended: Ended) -> bool:
    return ended.result.result == "ok"
