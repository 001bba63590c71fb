"""Where bars, columns and labels of the spectrum stand, snapped to device pixels."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QRectF

from widgets.spectrum.model import ORDERS
from widgets.spectrum.scale import Scale

_GROUP_SHARE = 0.78


@dataclass(frozen=True)
class Geometry:
    """One size of the plot. rect: plot area without the frame; bars: how many an order; ratio: device pixels a px."""

    rect: QRectF
    bars: int
    ratio: float
    scale: Scale

    def snap(self, position: float) -> float:
        """The nearest whole device pixel."""
        return round(position * self.ratio) / self.ratio

    @property
    def slot(self) -> float:
        """Width of an order."""
        return self.rect.width() / ORDERS

    @property
    def bar_width(self) -> float:
        """Width of a bar: the same for all, so that no group looks heavier."""
        gaps = self.bars - 1
        width = self.snap((_GROUP_SHARE * self.slot - gaps) / max(1, self.bars))
        widest = (self.slot - 1 - gaps) / max(1, self.bars)
        return max(1 / self.ratio, min(width, widest))

    @property
    def group_width(self) -> float:
        """Width of the bars of an order, 1 px apart."""
        return self.bars * self.bar_width + self.bars - 1

    def centre(self, order: int) -> float:
        """Middle of an order."""
        return self.rect.left() + (order - 0.5) * self.slot

    def group_left(self, order: int) -> float:
        """Left edge of the first bar of an order."""
        return self.snap(self.centre(order) - self.group_width / 2)

    def slot_rect(self, first: int, last: int) -> QRectF:
        """The full height over some orders."""
        left = self.snap(self.rect.left() + (first - 1) * self.slot)
        right = self.snap(self.rect.left() + last * self.slot)
        return QRectF(left, self.rect.top(), right - left, self.rect.height())

    def y(self, value: float) -> float:
        """Height of a value, at most the upper edge."""
        fraction = min(1.0, self.scale.fraction(value))
        return self.snap(self.rect.bottom() - fraction * self.rect.height())

    def bar(self, order: int, index: int, value: float) -> QRectF:
        """A bar. What was measured is at least one device pixel high: nothing is only drawn where nothing is known.

        Cut off 2 px under the edge where the value is off the scale.
        """
        bottom = self.rect.bottom()
        top = self.rect.top() + 2 if self.is_cut(value) else min(self.y(value), bottom - 1 / self.ratio)
        left = self.group_left(order) + index * (self.bar_width + 1)
        return QRectF(left, top, self.bar_width, bottom - top)

    def is_cut(self, value: float) -> bool:
        """True where a bar is off the scale."""
        return self.scale.fraction(value) > 1.0 + 1e-9

    def column(self, order: int, index: int, count: int, limit: float) -> QRectF:
        """The limit column behind a bar; with count 1 behind all bars of the order."""
        share = (self.group_width + 1) / count
        margin = 1.0 if self.slot - self.group_width >= 4 else 0.0
        left = self.group_left(order) + index * share - (margin if index == 0 else 0)
        right = self.group_left(order) + (index + 1) * share - (1 - margin if index == count - 1 else 0)
        top = self.y(limit)
        return QRectF(self.snap(left), top, self.snap(right) - self.snap(left), self.rect.bottom() - top)

    def order_at(self, x: float) -> int | None:
        """The order under a position, None beside the plot."""
        order = int((x - self.rect.left()) // self.slot) + 1
        return order if 1 <= order <= ORDERS and self.rect.left() <= x < self.rect.right() else None
