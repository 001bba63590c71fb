"""What is known of a module's firmware, and how a job ended, as the words of the firmware page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from app.firmware_page.stages import Kind, about, grouped
from device_io.boot_log import Finding as LogFinding
from device_io.boot_log import Severity as LogSeverity
from device_io.flashing.backups import Backup
from device_io.flashing.journal import Unfinished
from device_io.flashing.result import FlashResult
from firmware_images.package import FirmwarePackage
from firmware_images.versions import is_newer, parse_version
from widgets.firmware.model import EMPTY, Change, Finding, Headline, Phase, Severity, Version
from widgets.firmware.model import Backup as ShownBackup

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DOING = {
    Kind.UPDATE: "Updating {}",
    Kind.RESTORE: "Putting the backup back on {}",
    Kind.FINISH: "Finishing what was begun on {}",
    Kind.GO_BACK: "Putting back what was on {}",
}
_MOST_DIFFERENCES = 3
_PAUSES = "Measuring pauses until the module has restarted."


def bare_version(firmware: str) -> str:
    """The version in what a module says of its firmware ("virtual 1.0.0")."""
    return firmware.rpartition(" ")[2]


def without_options(sentence: str) -> str:
    """A sentence that names options of the command line, for the window: without the clause that does."""
    return re.sub(r"\.(\s*\.)+", ".", re.sub(r"[;,]?[^.;,]*--[a-z][a-z-]*[^.;,]*", "", sentence))


# What is there


def installed_words(firmware: str) -> Version:
    """What runs on the module, "" where it does not answer."""
    return Version(bare_version(firmware))


def package_words(package: FirmwarePackage | None) -> Version:
    """The firmware that can be put on it."""
    if package is None:
        return Version()
    app = package.app_image.app if package.app_image is not None else None
    trusted = package.signature == "trusted"
    words = {
        "trusted": f"Signed by {package.signer or 'a trusted key'}",
        "unknown": "Signed by an unknown key",
        "none": "Not signed",
    }
    built = _built(app.date) if app is not None else ""
    return Version(package.version or "no version", built, "", trusted, words[package.signature])


def changes_of(package: FirmwarePackage | None) -> list[Change]:
    """Its notes: the first sentence of each, and the rest."""
    notes = package.notes if package is not None else ()
    return [Change(*_split(note)) for note in notes]


def backup_words(backup: Backup | None, now: datetime | None = None) -> ShownBackup:
    """A backup of the module. Reading it has compared it with its digest."""
    if backup is None:
        return ShownBackup()
    made = datetime.fromtimestamp(backup.made_ns / 1e9)
    today = (now or datetime.now()).date()
    day = "today" if made.date() == today else _date(made.date())
    told = "settings and calibration" if backup.told.get("settings") else "calibration"
    content = f"whole flash, {grouped(backup.size)} bytes, with {told}"
    taken = f"{day} {made:%H:%M}, {_runs(backup)}"
    return ShownBackup(taken, content, backup.sha256, _kept_in(backup.path), True, str(backup.path))


def _runs(backup: Backup) -> str:
    version = bare_version(backup.firmware)
    return f"with version {version}" if version else "of a module that did not answer"


def safety_words(backup_first: bool, two_slots: bool | None) -> tuple[str, str, bool]:
    """Title, text, and whether it is safe. two_slots: whether the module keeps two firmwares; None where unknown."""
    if not backup_first:
        return "There is no way back", "No backup is made before the module is written.", False
    text = "Before anything is written the whole flash is read and kept, with settings and calibration."
    if two_slots:
        text += " The firmware that runs stays in its slot until the new one is whole."
    text += " If power or cable fails, plug in again: finish it here, or go back to what was there."
    return "The module is safe", text, True


# The headline


def ready(
    name: str,
    firmware: str,
    package: FirmwarePackage | None,
    chosen: bool,
    problem: str = "",
    *,
    postponed: bool = False,
) -> Headline:
    """Before anything is done. firmware: what runs, "" where the module does not answer. chosen: by a person.
    problem: of the image that was chosen, or of those that are kept here. postponed: a person said "not now" to it."""
    installed = bare_version(firmware)
    if problem and package is None:
        title = "This image is not used" if chosen else f"There is no newer firmware for {name} here"
        return Headline(Phase.FAILED if chosen else Phase.READY, title, problem, action="")
    if not firmware and package is not None:
        lead = "It does not answer: it may be new, or its firmware does not start. What is in it is backed up first."
        return Headline(Phase.READY, f"{package.version} can be put on {name}", lead, action="Put it on")
    if not firmware:
        return Headline(Phase.READY, f"{name} does not answer", "Choose an image to put on it.", action="")
    if package is None:
        lead = f"It runs {installed}. Choose an image to write another firmware."
        return Headline(Phase.READY, f"There is no newer firmware for {name} here", lead, action="")
    offered = package.version or "this image"
    keeps = "Settings and calibration stay; the whole module is backed up first."
    if postponed:
        return Headline(
            Phase.READY, f"{name} runs {installed}", f"You put {offered} off. It can be put on at any time."
        )
    if is_newer(offered, installed) or parse_version(installed) is None or parse_version(offered) is None:
        return Headline(Phase.READY, f"{offered} is ready for {name}", f"It runs {installed}. {keeps}")
    if parse_version(installed) == parse_version(offered):
        return Headline(
            Phase.READY, f"{offered} runs on {name} already", f"It can be written again. {keeps}", (), "Write"
        )
    lead = f"It runs {installed}: this is a step back. {keeps}"
    return Headline(Phase.READY, f"{offered} can be put back on {name}", lead, action="Put it on")


def running(kind: Kind, name: str, left_s: float | None, note: str = "") -> Headline:
    """While a job runs."""
    left = f", {about(left_s)} left" if left_s is not None and left_s >= 1.0 else ""
    lead = f"Keep the USB cable in. {without_options(note) or _PAUSES}"
    return Headline(Phase.RUNNING, _DOING[kind].format(name) + left, lead)


def stopping(name: str, writing: bool) -> Headline:
    """After the person stopped it."""
    lead = "What was begun can be finished or undone afterwards." if writing else "Nothing was written."
    return Headline(Phase.STOPPING, f"Stopping the work on {name}", lead)


def done(kind: Kind, name: str, result: FlashResult) -> Headline:
    """After success."""
    version = bare_version(result.version or "")
    title = f"{name} runs {version}" if version else f"{name} is done"
    if result.differences:
        more = len(result.differences) - _MOST_DIFFERENCES
        lead = " ".join(result.differences[:_MOST_DIFFERENCES]) + (f" And {more} more." if more > 0 else "")
        return Headline(Phase.DONE, title, f"Not all is as before: {lead}")
    compared = {
        Kind.UPDATE: "It was read back and compared, and the module has answered.",
        Kind.RESTORE: "The backup is back, compared byte by byte, and the module has answered.",
        Kind.GO_BACK: "What was there before is back, compared byte by byte, and the module has answered.",
        Kind.FINISH: "What was missing is written and compared, and the module has answered.",
    }
    return Headline(Phase.DONE, title, compared[kind])


def failed(name: str, result: FlashResult) -> Headline:
    """After a refusal or a failure in which nothing was written. What was begun: `recovery`."""
    if result.result == "refused":
        return Headline(Phase.FAILED, f"Nothing was written to {name}", without_options(result.reason), result.guide)
    title = "Stopped" if result.reason.startswith("Stopped") else "It stopped before anything was written"
    return Headline(Phase.FAILED, title, without_options(result.reason), result.guide)


def recovery(name: str, unfinished: Unfinished, result: FlashResult | None = None, problem: str = "") -> Headline:
    """Writing was begun and not finished. result: of the job that has just ended so. problem: of an image that was
    chosen since."""
    back = unfinished.way_back is not None
    what = f"The update to {unfinished.version}" if unfinished.what == "flash" else "Putting a backup back"
    what = "The update" if unfinished.what == "flash" and not unfinished.version else what
    begun = datetime.fromtimestamp(unfinished.begun_ns / 1e9)
    lead = f"It was begun on {_date(begun.date())} at {begun:%H:%M}."
    if problem or result is not None:
        lead = problem or without_options(result.reason if result is not None else "")
    found = [f"{finding.title}. {finding.advice}" for finding in (result.findings if result is not None else ())]
    steps = [
        "Leave the module plugged in, or plug it in again.",
        "Press Finish it: what is missing is written, then all of it is compared.",
    ]
    if back:
        steps.append("Or press Go back: the backup made before puts back what was there.")
    guide = (*(result.guide if result is not None else ()), *found, *steps)
    return Headline(Phase.RECOVERY, f"{what} of {name} is not finished", lead, guide, can_go_back=back)


def elsewhere(unfinished: Unfinished) -> Headline:
    """A job was not finished, and its module is not connected."""
    lead = f"Connect the module {unfinished.mac} with a USB cable: it can be finished or undone here."
    return Headline(Phase.RECOVERY, "An update was begun and not finished", lead, action="", can_go_back=False)


def nothing_connected() -> Headline:
    """No module is on USB."""
    return EMPTY


def shown_findings(findings: Sequence[LogFinding]) -> list[Finding]:
    """What a boot log means."""
    severities = {
        LogSeverity.OK: Severity.OK,
        LogSeverity.INFO: Severity.INFO,
        LogSeverity.WARN: Severity.WARN,
        LogSeverity.BAD: Severity.BAD,
    }
    return [Finding(severities[one.severity], one.title, one.advice) for one in findings]


def _split(note: str) -> tuple[str, str]:
    """A note's first sentence and the rest; ": " parts them too."""
    marks = [(at, len(mark)) for mark in (". ", ": ") if (at := note.find(mark)) > 0]
    if not marks:
        return note.rstrip("."), ""
    at, length = min(marks)
    rest = note[at + length :].strip()
    return note[:at], rest[:1].upper() + rest[1:]


def _built(text: str) -> str:
    """ "5 Jan 2026" from a compiler's "Jan  5 2026"."""
    parts = text.split()
    if len(parts) != 3 or parts[0] not in _MONTHS:
        return text
    return f"built {parts[1]} {parts[0]} {parts[2]}"


def _date(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _kept_in(path: Path) -> str:
    folder = path.parent
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except ValueError:
        return str(folder)
