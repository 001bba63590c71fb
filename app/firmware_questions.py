"""What the firmware page asks before it acts. Nothing waits: the answer comes as a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QMessageBox, QWidget

from app.firmware_facts import Facts
from app.firmware_modules import Connected
from app.firmware_words import bare_version
from device_io.flashing.journal import Unfinished
from firmware_images.package import FirmwarePackage
from firmware_images.versions import is_newer

Then = Callable[[], None]
SECOND_ACT = "I know who made this firmware, and I trust it"


def ask(parent: QWidget, question: str, text: str, yes: str, no: str, then: Then, second_act: str = "") -> QMessageBox:
    """Ask; `then` is called on "yes". second_act: what has to be ticked before "yes" can be pressed."""
    box = QMessageBox(QMessageBox.Icon.Question, "Sensix", question, QMessageBox.StandardButton.NoButton, parent)
    box.setInformativeText(text)
    accept = box.addButton(yes, QMessageBox.ButtonRole.AcceptRole)
    refuse = box.addButton(no, QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(refuse)
    box.setEscapeButton(refuse)
    if second_act:
        tick = QCheckBox(second_act)
        box.setCheckBox(tick)
        accept.setEnabled(False)
        tick.toggled.connect(accept.setEnabled)
    accept.clicked.connect(lambda: then())
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def say(parent: QWidget, title: str, text: str) -> QMessageBox:
    """Tell something."""
    box = QMessageBox(QMessageBox.Icon.Information, "Sensix", title, QMessageBox.StandardButton.Ok, parent)
    box.setInformativeText(text)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def ask_update(parent: QWidget, module: Connected, package: FirmwarePackage, backs_up: bool, then: Then) -> QMessageBox:
    """Before a firmware is written."""
    installed, offered = bare_version(module.firmware), package.version or "this image"
    step = f" from {installed}" if installed else ""
    text = [_what_happens(backs_up)]
    if installed and is_newer(installed, offered):
        text.insert(0, f"{offered} is older than what runs now.")
    act = ""
    if package.signature != "trusted":
        why = "is not signed" if package.signature == "none" else "is signed with a key that is not trusted here"
        text.insert(0, f"This firmware {why}: nobody vouches for it. It runs with full access to your module.")
        act = SECOND_ACT
    question = f"Put {offered} on {module.name}?" if not step else f"Update {module.name}{step} to {offered}?"
    return ask(parent, question, "\n\n".join(text), "Update", "Not now", then, act)


def ask_restore(parent: QWidget, module: Connected, facts: Facts, then: Then) -> QMessageBox:
    """Before a backup is put back."""
    assert facts.backup is not None
    made = datetime.fromtimestamp(facts.backup.made_ns / 1e9)
    text = (
        f"The whole flash becomes what it was on {made:%d.%m.%Y} at {made:%H:%M}: firmware, settings, calibration and "
        f"counters. What is in it now is backed up first. {_CABLE}"
    )
    return ask(parent, f"Put the backup back on {module.name}?", text, "Put it back", "Not now", then)


def ask_finish(parent: QWidget, module: Connected, unfinished: Unfinished, then: Then) -> QMessageBox:
    """Before what is missing of a job is written."""
    what = f"version {unfinished.version}" if unfinished.version else "it"
    text = f"What is missing of {what} is written, then all of it is compared. {_CABLE}"
    return ask(parent, f"Finish what was begun on {module.name}?", text, "Finish it", "Not now", then)


def ask_go_back(parent: QWidget, module: Connected, unfinished: Unfinished, then: Then) -> QMessageBox:
    """Before what was there is put back."""
    before = bare_version(unfinished.before)
    what = f"version {before}" if before else "what was there before"
    text = f"The backup made before puts {what} back, with its settings and calibration. {_CABLE}"
    return ask(parent, f"Go back on {module.name}?", text, "Go back", "Not now", then)


def ask_stop(parent: QWidget, can_go_back: bool, then: Then) -> QMessageBox:
    """Before a job is stopped that has begun to write."""
    back = " or put back what was there" if can_go_back else ""
    text = (
        "Writing has begun. If you stop now, the module may not measure until you finish the work here"
        f"{back}. Nothing is lost by that; going on is usually faster."
    )
    return ask(parent, "Stop in the middle of writing?", text, "Stop anyway", "Go on", then)


def ask_close(parent: QWidget, writing: bool, then: Then) -> QMessageBox:
    """Before the window is closed during a job."""
    text = (
        "Writing has begun. If you close now, the module may not measure until you open this page again and finish "
        "the work."
        if writing
        else "Nothing has been written yet. The work is stopped, and the module goes on as before."
    )
    return ask(parent, "A module is being worked on. Close all the same?", text, "Stop and close", "Go on", then)


def changes_text(notes: Sequence[str]) -> str:
    """All notes of a firmware."""
    return "\n\n".join(f"• {note}" for note in notes)


_CABLE = "Measuring pauses meanwhile. Keep the USB cable in."


def _what_happens(backs_up: bool) -> str:
    first = "First the whole module is backed up, then" if backs_up else "No backup is made. Then"
    return (
        f"{first} the firmware is written, compared and started; that takes a few minutes. Settings and calibration "
        f"stay. {_CABLE}"
    )
