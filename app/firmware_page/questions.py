"""What the firmware page asks before it acts. Nothing waits: the answer comes as a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from app.firmware_page.facts import Facts
from app.firmware_page.modules import Connected
from app.firmware_page.orders import Order
from app.firmware_page.stages import Kind
from app.firmware_page.words import bare_version
from device_io.flashing.backups import Backup
from device_io.flashing.journal import Unfinished
from device_io.flashing.result import FlashOptions
from firmware_images.package import FirmwarePackage
from firmware_images.versions import is_newer
from widgets.firmware import FirmwarePanel
from widgets.firmware.question import Question

Then = Callable[[], None]
SECOND_ACT = "I know who made this firmware, and I trust it"


def ask(
    panel: FirmwarePanel,
    question: str,
    text: Sequence[str],
    yes: str,
    no: str,
    then: Then,
    *,
    second_act: str = "",
    risky: bool = False,
) -> Question:
    """Ask over the panel; `then` is called on "yes". For the rest see `Question`. Returns the open box."""
    box = Question(panel, panel.theme, question, text, yes, no, second_act=second_act, risky=risky)
    box.accepted.connect(then)
    box.open()
    return box


def say(panel: FirmwarePanel, title: str, text: Sequence[str]) -> None:
    """Tell something."""
    Question(panel, panel.theme, title, text, "", "Close").open()


def ask_about(
    panel: FirmwarePanel, order: Order, facts: Facts, then: Then, not_now: Callable[[str], None] = lambda _: None
) -> None:
    """Before anything is written. not_now: told the version of a newer firmware that a person puts off."""
    module, unfinished = order.module, facts.unfinished
    if order.package is not None:
        _ask_update(panel, order, order.package, then, not_now)
    elif order.kind is Kind.RESTORE and facts.backup is not None:
        _ask_restore(panel, module, facts.backup, then)
    elif order.kind is Kind.FINISH and unfinished is not None:
        _ask_finish(panel, module, unfinished, then)
    elif unfinished is not None:
        _ask_go_back(panel, module, unfinished, then)


def _ask_update(
    panel: FirmwarePanel, order: Order, package: FirmwarePackage, then: Then, not_now: Callable[[str], None]
) -> None:
    module = order.module
    installed, offered = bare_version(module.firmware), package.version or "this image"
    step = f" from {installed}" if installed else ""
    text = _what_happens(order.options)
    if installed and is_newer(installed, offered):
        text.insert(0, f"{offered} is older than what runs now.")
    if order.options.anew:
        text.insert(0, "What was begun before is given up. A backup made before it stays the way back.")
    act = ""
    if package.signature != "trusted":
        why = "is not signed" if package.signature == "none" else "is signed with a key that is not trusted here"
        text.insert(0, f"This firmware {why}: nobody vouches for it. It runs with full access to your module.")
        act = SECOND_ACT
    question = f"Put {offered} on {module.name}?" if not step else f"Update {module.name}{step} to {offered}?"
    box = ask(panel, question, text, "Update", "Not now", then, second_act=act)
    if installed and is_newer(package.version, installed):
        box.no.clicked.connect(lambda: not_now(package.version))


def _ask_restore(panel: FirmwarePanel, module: Connected, backup: Backup, then: Then) -> None:
    made = datetime.fromtimestamp(backup.made_ns / 1e9)
    text = (
        f"The whole flash becomes what it was on {made:%d.%m.%Y} at {made:%H:%M}: firmware, settings, calibration and "
        f"counters. What is in it now is backed up first."
    )
    ask(panel, f"Put the backup back on {module.name}?", [text, _CABLE], "Put it back", "Not now", then)


def _ask_finish(panel: FirmwarePanel, module: Connected, unfinished: Unfinished, then: Then) -> None:
    what = f"version {unfinished.version}" if unfinished.version else "it"
    text = f"What is missing of {what} is written, then all of it is compared."
    ask(panel, f"Finish what was begun on {module.name}?", [text, _CABLE], "Finish it", "Not now", then)


def _ask_go_back(panel: FirmwarePanel, module: Connected, unfinished: Unfinished, then: Then) -> None:
    before = bare_version(unfinished.before)
    what = f"version {before}" if before else "what was there before"
    text = f"The backup made before puts {what} back, with its settings and calibration."
    ask(panel, f"Go back on {module.name}?", [text, _CABLE], "Go back", "Not now", then)


def ask_stop(panel: FirmwarePanel, can_go_back: bool, then: Then) -> None:
    """Before a job is stopped that has begun to write."""
    back = " or put back what was there" if can_go_back else ""
    text = (
        "Writing has begun. If you stop now, the module may not measure until you finish the work here"
        f"{back}. Nothing is lost by that; going on is usually faster."
    )
    ask(panel, "Stop in the middle of writing?", [text], "Stop anyway", "Go on", then, risky=True)


def ask_close(panel: FirmwarePanel, writing: bool, then: Then) -> None:
    """Before the window is closed during a job."""
    text = (
        "Writing has begun. If you close now, the module may not measure until you open this page again and finish "
        "the work."
        if writing
        else "Nothing has been written yet. The work is stopped, and the module goes on as before."
    )
    ask(panel, "A module is being worked on. Close all the same?", [text], "Stop and close", "Go on", then, risky=True)


_CABLE = "Measuring pauses meanwhile. Keep the USB cable in."


def _what_happens(options: FlashOptions) -> list[str]:
    first = "First the whole module is backed up, then the" if options.backup else "No backup is made. The"
    if options.anew:
        first = "The"
    steps = f"{first} firmware is written, compared and started. That takes a few minutes."
    return [f"{steps} Settings and calibration stay.", _CABLE]
