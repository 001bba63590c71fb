"""Values of one interval as a mapping over one array: names made once, boxed into Python numbers only when asked."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, Sequence, ValuesView
from math import isfinite

import numpy as np
from numpy.typing import NDArray


class Layout:
    """Names of what is measured, and where their numbers stand: made once, used for every window."""

    def __init__(self) -> None:
        self.place: dict[str, int] = {}

    def add(self, names: Sequence[str]) -> slice:
        """Append names, none of which is there yet; where their numbers go."""
        start = len(self.place)
        self.place.update(zip(names, range(start, start + len(names)), strict=True))
        if len(self.place) != start + len(names):
            raise ValueError("A name was added twice.")
        return slice(start, start + len(names))

    def empty(self) -> NDArray[np.float64]:
        """Numbers of one interval, all NaN."""
        return np.full(len(self.place), np.nan)


class Values(Mapping[str, float | None]):
    """{key of the table: value}, None where not measurable; as good as a dict, but not to be changed.

    place: {key: position}, the same object for all windows of an analyser. numbers: float64 [keys], NaN where not
    measurable: what works on all values at once (aggregates) takes them from here.
    """

    __slots__ = ("_boxed", "numbers", "place")

    def __init__(self, place: Mapping[str, int], numbers: NDArray[np.float64]) -> None:
        self.place = place
        self.numbers = numbers
        self._boxed: dict[str, float | None] | None = None

    def __getitem__(self, key: str) -> float | None:
        if self._boxed is not None:
            return self._boxed[key]
        number: float = self.numbers.item(self.place[key])
        return number if isfinite(number) else None

    def __len__(self) -> int:
        return len(self.place)

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __contains__(self, key: object) -> bool:
        return key in self.place

    def __repr__(self) -> str:
        return repr(self._all())

    def keys(self) -> KeysView[str]:
        return self._all().keys()

    def items(self) -> ItemsView[str, float | None]:
        return self._all().items()

    def values(self) -> ValuesView[float | None]:
        return self._all().values()

    def _all(self) -> dict[str, float | None]:
        if self._boxed is None:
            numbers: list[float | None] = self.numbers.tolist()
            for place in np.flatnonzero(~np.isfinite(self.numbers)).tolist():
                numbers[place] = None
            self._boxed = dict(self.place)  # the names are laid out once; a copy takes numbers at half the cost
            self._boxed.update(zip(self.place, numbers, strict=True))
        return self._boxed
