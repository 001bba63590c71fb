"""The plot of the spectrum: a still layer that is cached, and the bars over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QFontMetricsF,
    QGuiApplication,
    QImage,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QWidget

from widgets.spectrum import layers
from widgets.spectrum.geometry import Geometry
from widgets.spectrum.model import ORDERS, Finding, Spectrum, Unit
from widgets.spectrum.scale import ScaleChooser
from widgets.theme import Theme, font

EMPTY_TEXT = "No harmonics yet. Choose a module at the top left."


class SpectrumPlot(QWidget):
    """Bars of the orders 1..40. Pointer or arrow keys read one order; Ctrl+C copies what is read, or the picture."""

    save_requested = Signal(str)
    """"csv" or "image"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = Theme()
        self._text_scale = 1.0
        self._compact = False
        self._spectrum: Spectrum | None = None
        self._findings: tuple[Finding, ...] = ()
        self._unit: Unit = "percent"
        self._logarithmic = False
        self._chooser = ScaleChooser()
        self._order: int | None = None
        self._ring = False
        self.picture_to_copy: Callable[[], QImage] = self.image
        self._still: QPixmap | None = None
        self._still_key: tuple[object, ...] = ()
        self._bars: QPixmap | None = None
        self._bars_key: tuple[int, Spectrum | None] = (0, None)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Harmonic spectrum")
        self.setAccessibleDescription(EMPTY_TEXT)

    # What it shows

    def show_spectrum(self, spectrum: Spectrum, findings: Sequence[Finding]) -> None:
        """New values."""
        self._spectrum, self._findings = spectrum, tuple(findings)
        self._choose(new_data=True)
        self._announce()

    def set_unit(self, unit: Unit, logarithmic: bool) -> None:
        """Percent or absolute, linear or logarithmic."""
        self._unit, self._logarithmic = unit, logarithmic
        self._choose(new_data=False)

    def set_theme(self, theme: Theme, text_scale: float = 1.0) -> None:
        """Colours, palette and text size."""
        self._theme, self._text_scale = theme, text_scale
        self._still = None
        self.updateGeometry()
        self.update()

    def set_compact(self, compact: bool) -> None:
        """Every second order has its number."""
        self._compact = compact
        self.update()

    def image(self, ratio: float = 2.0) -> QImage:
        """The plot as a picture on the card's ground, `ratio` pixels a px."""
        image = QImage(self.size() * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(self._theme.colour("surface"))
        painter = QPainter(image)
        self._paint(painter, ratio, None)
        painter.end()
        return image

    @property
    def order(self) -> int | None:
        """The order that is read at present."""
        return self._order

    def geometry_of_bars(self, ratio: float | None = None) -> Geometry | None:
        """Where the bars stand at present; None without values."""
        if self._spectrum is None:
            return None
        left, top, right, bottom = (round(side * self._text_scale) for side in (48, 16, 13, 26))
        rect = QRectF(left, top, max(80, self.width() - left - right), max(40, self.height() - top - bottom))
        ratio = self.devicePixelRatioF() if ratio is None else ratio
        scale = self._chooser.choose(self._spectrum, self._unit, self._logarithmic, self._lines(), new_data=False)
        return Geometry(rect, max(1, len(self._spectrum.channels)), ratio, scale)

    def sizeHint(self) -> QSize:
        return QSize(880, 262)

    def minimumSizeHint(self) -> QSize:
        return QSize(round(360 * self._text_scale), round(140 * self._text_scale))

    def _lines(self) -> int:
        return max(3, min(8, int((self.height() - 45 * self._text_scale) / (22 * self._text_scale))))

    def _choose(self, *, new_data: bool) -> None:
        if self._spectrum is not None:
            self._chooser.choose(self._spectrum, self._unit, self._logarithmic, self._lines(), new_data=new_data)
        self.update()

    # Painting

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        self._paint(painter, self.devicePixelRatioF(), self._order)
        if self._ring and self._order is None:
            painter.setPen(QPen(self._theme.colour("accent"), 1))
            painter.drawRect(QRectF(self.rect()).adjusted(4.5, 4.5, -4.5, -4.5))

    def _paint(self, painter: QPainter, ratio: float, order: int | None) -> None:
        theme, scale, spectrum = self._theme, self._text_scale, self._spectrum
        geometry = self.geometry_of_bars(ratio)
        if spectrum is None or geometry is None or not spectrum.has_data:
            painter.fillRect(self.rect(), theme.colour("surface"))
            painter.setFont(font("body", scale))
            painter.setPen(theme.colour("text3"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, EMPTY_TEXT)
            return
        painter.drawPixmap(QPointF(0, 0), self._bars_layer(geometry, spectrum))
        placed = layers.place_callouts(geometry, spectrum, self._unit, self._findings, scale)
        if order is None:
            layers.paint_callouts(painter, placed, geometry, theme, scale)
        else:
            readout = spectrum.readout(order)
            box = layers.readout_box(geometry, readout, scale)
            apart = [entry for entry in placed if not entry[1].intersects(box)]
            layers.paint_callouts(painter, apart, geometry, theme, scale)
            layers.paint_readout(painter, geometry, readout, theme, scale)

    def _bars_layer(self, geometry: Geometry, spectrum: Spectrum) -> QPixmap:
        """Still layer and bars: kept, so that a moving pointer paints nothing but its read-out."""
        still = self._still_layer(geometry, spectrum)
        key = (still.cacheKey(), spectrum)
        if self._bars is None or self._bars_key[0] != key[0] or self._bars_key[1] is not spectrum:
            self._bars, self._bars_key = QPixmap(still), key
            painter = QPainter(self._bars)
            painter.setClipRect(geometry.rect)
            layers.paint_bars(painter, geometry, spectrum, self._unit, self._theme)
            layers.paint_fundamental_label(painter, geometry, spectrum, self._unit, self._theme, self._text_scale)
            painter.end()
        return self._bars

    def _still_layer(self, geometry: Geometry, spectrum: Spectrum) -> QPixmap:
        limits = spectrum.limits
        heights: tuple[object, ...] = ()
        if limits is not None:
            heights = tuple(limits.orders.items())
            if self._unit == "absolute":
                # Limits in volts follow the fundamental; a pixel is as fine as it needs to be.
                heights += tuple(geometry.y(float(row[1]) * 0.06) for row in spectrum.absolute.values())
        key = (
            *(self.size(), geometry, self._theme, self._text_scale, self._unit, self._compact, heights),
            *(spectrum.quantity, spectrum.trusted_to, spectrum.indicative_to, spectrum.not_available),
        )
        if self._still is None or key != self._still_key:
            wide = QFontMetricsF(font("order", self._text_scale)).horizontalAdvance("40") + 4 * self._text_scale
            every = 2 if self._compact or geometry.slot < wide else 1
            every = every if geometry.slot * every >= wide else 5
            pixmap = QPixmap(self.size() * geometry.ratio)
            pixmap.setDevicePixelRatio(geometry.ratio)
            pixmap.fill(self._theme.colour("surface"))
            painter = QPainter(pixmap)
            layers.paint_still(painter, geometry, spectrum, self._unit, self._theme, self._text_scale, every)
            painter.end()
            self._still, self._still_key = pixmap, key
        return self._still

    # Pointer, keys, clipboard

    def _read(self, order: int | None) -> None:
        if order != self._order:
            self._order = order
            self._announce()
            self.update()

    def _announce(self) -> None:
        if self._spectrum is None or not self._spectrum.has_data:
            text = EMPTY_TEXT
        elif self._order is None:
            text = "Left and right arrow read the orders."
        else:
            text = self._spectrum.readout(self._order).text
        if text != self.accessibleDescription():
            self.setAccessibleDescription(text)

    def _copy(self) -> None:
        if self._order is not None and self._spectrum is not None and self._spectrum.has_data:
            QGuiApplication.clipboard().setText(self._spectrum.readout(self._order).text)
        else:
            self._copy_picture()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        geometry = self.geometry_of_bars()
        inside = geometry is not None and geometry.rect.top() <= event.position().y() <= self.height()
        self._read(geometry.order_at(event.position().x()) if inside and geometry is not None else None)

    def leaveEvent(self, event: QEvent) -> None:
        super().leaveEvent(event)
        self._read(None)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._ring = event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._ring = False
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._read(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        order = self._order
        moves = {
            Qt.Key.Key_Right: 1 if order is None else min(ORDERS, order + 1),
            Qt.Key.Key_Left: 1 if order is None else max(1, order - 1),
            Qt.Key.Key_Home: 1,
            Qt.Key.Key_End: ORDERS,
        }
        if event.matches(QKeySequence.StandardKey.Copy):
            self._copy()
        elif event.key() == Qt.Key.Key_Escape and order is not None:
            self._read(None)
        elif event.key() in moves:
            self._read(moves[Qt.Key(event.key())])
        else:
            super().keyPressEvent(event)

    def menu(self) -> QMenu:
        """What can be copied and saved; all of it is grey without values."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy picture").triggered.connect(self._copy_picture)
        menu.addAction("Copy values as CSV").triggered.connect(self._copy_values)
        menu.addSeparator()
        menu.addAction("Save picture …").triggered.connect(lambda: self.save_requested.emit("image"))
        menu.addAction("Save values as CSV …").triggered.connect(lambda: self.save_requested.emit("csv"))
        for action in menu.actions():
            action.setEnabled(self._spectrum is not None and self._spectrum.has_data)
        return menu

    def _copy_picture(self) -> None:
        QGuiApplication.clipboard().setImage(self.picture_to_copy())

    def _copy_values(self) -> None:
        if self._spectrum is not None:
            QGuiApplication.clipboard().setText(self._spectrum.csv_text())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu().popup(event.globalPos())
