"""Sharing in words: the text of the consent, how it stands, why a message can't go yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from app.community.consent import Choices, text
from app.community.sender import SenderPhase
from app.community.service import Preview
from app.sharing.service import SharingState
from widgets.controls.status_icon import Status
from widgets.map.model import ConsentSection, SentSoFar
from widgets.map.model import Preview as ShownPreview
from widgets.numbers import count

EXAMPLE = Choices("u82f", "mqtts://broker.example")
"""What the text speaks of while place and broker are not known."""
NO_PLACE = "Say where the module is: its cell is part of the message."
NO_MODULE = "Connect a module: the message is made of what it measures."
OUTDATED = "The text of the consent has changed: read it and agree again. Until then nothing is sent."
NOTHING_YET = "Nothing is measured yet."

_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


def consent_sections(choices: Choices, examples: Sequence[str] = ()) -> tuple[ConsentSection, ...]:
    """The text of the consent, a sentence a point. examples: what of these choices nobody has made yet."""
    sections = tuple(ConsentSection(section.title, tuple(_SENTENCE.split(section.body))) for section in text(choices))
    if not examples:
        return sections
    words = f"You have not given {' and '.join(examples)} yet; till then this text names an example."
    return (ConsentSection("Before you read", (words,)), *sections)


def how_it_stands(state: SharingState) -> tuple[Status, str]:
    """What live sharing does now, in one or two sentences."""
    if state.given is None and state.is_outdated:
        return Status.WARN, OUTDATED
    if state.given is None:
        return Status.INFO, "Sharing is off."
    left_out = f" Last interval left out: {state.left_out}" if state.left_out else ""
    if state.error is not None:
        return Status.WARN, state.error + left_out
    if state.phase is SenderPhase.SENDING:
        return Status.RUNNING, "Sending …" + left_out
    if state.counts.waiting:
        number = state.counts.waiting
        told = "One message waits" if number == 1 else f"{count(number)} messages wait"
        return Status.OK, f"{told} for a random moment within 10 minutes.{left_out}"
    return Status.OK, f"All is sent that may go. The next message is made at the next full 10 minutes.{left_out}"


def sent_so_far(state: SharingState) -> SentSoFar:
    """What was sent."""
    counts = state.counts
    last = ""
    if counts.last_sent_s is not None:
        at = datetime.fromtimestamp(counts.last_sent_s)
        last = at.strftime("%H:%M" if at.date() == datetime.now().date() else "%Y-%m-%d %H:%M")
    return SentSoFar(counts.sent, counts.sent_bytes, last, counts.waiting, counts.late, counts.forgotten)


def shown_preview(preview: Preview) -> ShownPreview:
    """A message with why it can't go yet."""
    if preview.sendable:
        return ShownPreview(preview.payload, preview.topic, note=preview.basis)
    ends = datetime.fromtimestamp(preview.end_s)
    if ends > datetime.now():
        missing = [f"The message so far: its 10 minutes end at {ends:%H:%M}."]
        if preview.reason and "short" not in preview.reason:
            missing.append(preview.reason)
    else:
        missing = [preview.reason or "It can't be sent."]
    return ShownPreview(preview.payload, preview.topic, tuple(missing), preview.basis)
