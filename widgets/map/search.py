"""Finding a place or a geohash."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

from PySide6.QtCore import QStringListModel, Qt, Signal
from PySide6.QtWidgets import QCompleter, QWidget

from resources import geohash, outline
from widgets.controls.entry import Entry
from widgets.controls.painting import font, popup_palette
from widgets.theme import Theme

_MOST = 8
_LONGEST_GEOHASH = 12


class Found(NamedTuple):
    """A place to go to; `cell` is that of the map where a geohash was typed."""

    text: str
    latitude_deg: float
    longitude_deg: float
    cell: str = ""


def folded(text: str) -> str:
    """Without marks and capitals, so that "Iasi" finds "Iași"."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return " ".join("".join(letter for letter in decomposed if not unicodedata.combining(letter)).split())


@cache
def _folded_places() -> tuple[str, ...]:
    return tuple(folded(name) for name in outline.places().names)


def find(text: str, most: int = _MOST) -> list[Found]:
    """Places whose name begins so (the greatest first), then those with a word that does; a geohash last."""
    wanted = folded(text.partition(",")[0])
    if not wanted:
        return []
    places = outline.places()
    country = folded(text.partition(",")[2])
    begins: list[int] = []
    inside: list[int] = []
    for index, name in enumerate(_folded_places()):
        if wanted in name and country in folded(places.countries[index]):
            if name.startswith(wanted):
                begins.append(index)
            elif f" {wanted}" in name or f"-{wanted}" in name:
                inside.append(index)
        if len(begins) >= most:
            break
    found = [
        Found(
            ", ".join(filter(None, (places.names[index], places.countries[index]))),
            float(places.latitude_deg[index]),
            float(places.longitude_deg[index]),
        )
        for index in [*begins, *inside][:most]
    ]
    cell = _geohash(wanted)
    return (
        [cell, *found][:most]
        if cell and any(letter.isdigit() for letter in wanted)
        else [*found, *([cell] if cell else [])]
    )


def _geohash(text: str) -> Found | None:
    if not 2 <= len(text) <= _LONGEST_GEOHASH or not all(letter in geohash.ALPHABET for letter in text):
        return None
    return Found(f"Cell {text}", *geohash.decode(text), text[: geohash.CELL_LENGTH])


class SearchField(Entry):
    """Type a place or a geohash; the list offers what fits, Enter takes the first.

    found(Found): somebody chose one.
    """

    found = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Search the map", "Place or geohash", parent, icon_name="search")
        self._offers: list[Found] = []
        self._model = QStringListModel(self)
        completer = QCompleter(self._model, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.setMaxVisibleItems(_MOST)
        completer.popup().setFont(font("control"))
        completer.activated[str].connect(self._take)
        self.setCompleter(completer)
        self.textEdited.connect(self._offer)
        self.returnPressed.connect(self._take_first)
        self.setClearButtonEnabled(False)

    @property
    def offers(self) -> tuple[str, ...]:
        """What the list offers."""
        return tuple(offer.text for offer in self._offers)

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        popup = self.completer().popup()
        popup.setPalette(popup_palette(theme))

    def _offer(self, text: str) -> None:
        self.mark_wrong("")
        self._offers = find(text)
        self._model.setStringList([offer.text for offer in self._offers])

    def _take(self, text: str) -> None:
        for offer in self._offers:
            if offer.text == text:
                self._go(offer)
                return

    def _take_first(self) -> None:
        if self.completer().popup().isVisible() and self.completer().popup().currentIndex().isValid():
            return  # the list tells by itself
        offers = find(self.text())
        if offers:
            self._go(offers[0])
        elif self.text().strip():
            self.mark_wrong("No place or geohash of this name. Try the nearest larger town.")

    def _go(self, offer: Found) -> None:
        self.completer().popup().hide()
        self.setText(offer.text)
        self.setCursorPosition(0)
        self.found.emit(offer)

    def focusInEvent(self, event) -> None:  # type: ignore[no-untyped-def]
        super().focusInEvent(event)
        if event.reason() == Qt.FocusReason.ShortcutFocusReason:
            self.selectAll()
