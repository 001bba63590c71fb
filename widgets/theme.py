"""Theme of what is drawn: colours by token, colours of the phases, fonts by role. Values: resources/themes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from PySide6.QtGui import QColor, QFont

from resources import themes

FAMILY = "Inter"

_ROLES = {
    # role: pixel size, weight
    "hero": (36, 600),
    "kpi": (26, 600),
    "kpi-compact": (22, 600),
    "h1": (22, 600),
    "card-title": (13, 600),
    "table": (13, 500),
    "table-total": (13, 600),
    "label": (13, 600),
    "field": (13, 400),
    "body": (13, 400),
    "lead": (14, 400),
    "tick": (11, 400),
    "hint": (11, 400),
    "pane-title": (11, 600),
    "chip": (11, 600),
    "order": (10, 400),
}


def font(role: str, scale: float = 1.0) -> QFont:
    """Font of a role of the style (tabular figures). KeyError for an unknown role."""
    size, weight = _ROLES[role]
    result = QFont(FAMILY)
    result.setPixelSize(max(1, round(size * scale)))
    result.setWeight(QFont.Weight(weight))
    result.setFeature(QFont.Tag("tnum"), 1)
    return result


@dataclass(frozen=True)
class Theme:
    """One of the themes with one of the palettes. Handed to every widget's `set_theme`."""

    name: str = "dark"
    palette: str = "iec"

    @cached_property
    def _colours(self) -> dict[str, QColor]:
        return {token: QColor(value) for token, value in themes.colours(self.name).items()}

    @cached_property
    def _phases(self) -> dict[str, QColor]:
        return {phase: QColor(value) for phase, value in themes.palette(self.palette, self.name).items()}

    @property
    def is_dark(self) -> bool:
        """True for the dark theme."""
        return self.name == "dark"

    def colour(self, token: str) -> QColor:
        """Colour of a token of the style, a copy. KeyError for an unknown one."""
        return QColor(self._colours[token])

    def phase(self, channel: str) -> QColor:
        """Colour of a channel or phase: "V1", "I1", "L1" -> L1; "IN", "N" -> N."""
        last = channel[-1]
        return QColor(self._phases["N" if last == "N" else f"L{last}"])

    def blend(self, colour: QColor, background: str, alpha: float) -> QColor:
        """Opaque mix of `colour` at `alpha` (0..1) over a token: translucent pens are slow, opaque ones are not."""
        under = self._colours[background]
        return QColor(
            round(colour.red() * alpha + under.red() * (1 - alpha)),
            round(colour.green() * alpha + under.green() * (1 - alpha)),
            round(colour.blue() * alpha + under.blue() * (1 - alpha)),
        )
