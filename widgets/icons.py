"""Icons as pixmaps in any colour and size."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from resources import icons


def icon(name: str, colour: QColor, size: float = 20, device_pixel_ratio: float = 1.0) -> QPixmap:
    """An icon of `resources.icons`, `size` logical pixels square. KeyError for an unknown name. Do not draw into it."""
    return _rendered(name, colour.name(QColor.NameFormat.HexRgb), float(size), float(device_pixel_ratio))


@lru_cache(maxsize=256)
def _rendered(name: str, colour: str, size: float, device_pixel_ratio: float) -> QPixmap:
    source = icons.svg(name).replace("currentColor", colour)
    side = max(1, round(size * device_pixel_ratio))
    pixmap = QPixmap(side, side)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(0, 0, side, side))
    painter.end()
    pixmap.setDevicePixelRatio(device_pixel_ratio)
    return pixmap
