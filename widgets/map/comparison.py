"""Own values beside those of the cell and of the cells around it."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from widgets.controls.painting import RADIUS_GROUP, Themed, draw_frame, draw_icon, draw_text, text_width
from widgets.map.model import Cause, CellDetail, Comparison, verdict
from widgets.numbers import fixed, is_measured

_PADDING, _HEAD, _ROW, _FOOT = 12, 46, 28, 22
_NAME = 108
_ICONS = {Cause.STREET: "street", Cause.HOUSE: "house", Cause.NEITHER: "street", Cause.UNKNOWN: "help"}
_SCALE = 1.6
"""The axis goes to so many times the largest value."""


class ComparisonBox(Themed, QWidget):
    """ "Is it me or the street?": a sentence, then a line a quantity."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._detail = CellDetail("")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def sentence(self) -> str:
        """The answer."""
        return verdict(self._detail)[1]

    def set_detail(self, detail: CellDetail) -> None:
        """Another cell."""
        self._detail = detail
        self.setAccessibleName(f"Is it me or the street? {self.sentence}")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        rows = len(self._detail.comparisons)
        return QSize(360, _PADDING + _HEAD + rows * _ROW + (_FOOT if rows else 0) + 8)

    def minimumSizeHint(self) -> QSize:
        return QSize(260, self.sizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter, theme = QPainter(self), self.theme
        draw_frame(painter, self.rect(), theme.colour("surface2"), None, RADIUS_GROUP)
        inner = self.rect().adjusted(_PADDING, _PADDING, -_PADDING, 0)
        cause, sentence = verdict(self._detail)
        draw_icon(painter, _ICONS[cause], theme.colour("accent"), inner.left(), inner.top() + 8, 20)
        text = inner.adjusted(30, 0, 0, 0)
        draw_text(
            painter,
            QRect(text.left(), text.top() - 2, text.width(), 16),
            "Is it me or the street?",
            "hint",
            theme.colour("text3"),
        )
        role = "label" if text_width(sentence, "label") <= text.width() else "hint-medium"
        draw_text(painter, QRect(text.left(), text.top() + 15, text.width(), 20), sentence, role, theme.colour("text"))
        for index, row in enumerate(self._detail.comparisons):
            self._draw_row(painter, QRect(inner.left(), inner.top() + _HEAD + index * _ROW, inner.width(), _ROW), row)
        if self._detail.comparisons:
            self._draw_foot(
                painter,
                QRect(inner.left(), inner.top() + _HEAD + len(self._detail.comparisons) * _ROW, inner.width(), _FOOT),
            )

    def _draw_row(self, painter: QPainter, line: QRect, row: Comparison) -> None:
        theme = self.theme
        draw_text(
            painter, QRect(line.left(), line.top(), _NAME, line.height()), row.name, "body", theme.colour("text2")
        )
        parts = [
            (fixed(value, row.decimals), token)
            for value, token in ((row.own, "accent"), (row.cell, "text2"), (row.neighbours, "text2"))
        ]
        x = line.right() + 1
        for index, (text, token) in reversed(list(enumerate(parts))):
            role = "label" if index == 0 else "body"
            width = text_width(text, role)
            x -= width
            draw_text(painter, QRect(x, line.top(), width + 2, line.height()), text, role, theme.colour(token))
            if index:
                x -= text_width(" / ", "body")
                draw_text(painter, QRect(x, line.top(), 20, line.height()), " / ", "body", theme.colour("text3"))
        left, right = line.left() + _NAME + 6, line.right() - 108
        if right - left < 40:
            return
        y = line.center().y() + 0.5
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.colour("border2"), 1.5))
        painter.drawLine(QPointF(left, y), QPointF(right, y))
        values = [value for value in (row.own, row.cell, row.neighbours) if is_measured(value) and value is not None]
        largest = max(values, default=0.0) * _SCALE or 1.0
        for value, mark in ((row.neighbours, "diamond"), (row.cell, "square"), (row.own, "circle")):
            if value is not None and is_measured(value):
                self._draw_mark(painter, QPointF(left + value / largest * (right - left), y), mark)

    def _draw_mark(self, painter: QPainter, at: QPointF, mark: str) -> None:
        theme = self.theme
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if mark == "circle":
            painter.setBrush(theme.colour("accent"))
            painter.drawEllipse(at, 5, 5)
        elif mark == "square":
            painter.setBrush(theme.colour("text3"))
            painter.drawRect(QRectF(at.x() - 4.5, at.y() - 4.5, 9, 9))
        else:
            painter.setBrush(theme.colour("surface2"))
            painter.setPen(QPen(theme.colour("text2"), 1.4))
            corners = ((0, -6), (6, 0), (0, 6), (-6, 0))
            painter.drawPolygon(QPolygonF([at + QPointF(x, y) for x, y in corners]))

    def _draw_foot(self, painter: QPainter, line: QRect) -> None:
        theme = self.theme
        x = line.left() + 5
        for mark, text in (("circle", "you"), ("square", "cell"), ("diamond", "cells around")):
            self._draw_mark(painter, QPointF(x, line.center().y()), mark)
            width = text_width(text, "hint")
            draw_text(painter, QRect(x + 10, line.top(), width + 2, line.height()), text, "hint", theme.colour("text2"))
            x += 10 + width + 18
        if line.right() - x > 80:
            draw_text(painter, line, "% of fundamental", "hint", theme.colour("text3"), Qt.AlignmentFlag.AlignRight)
