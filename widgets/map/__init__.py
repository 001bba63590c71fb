"""The community map: the map, the side panel of a cell, consent and preview."""

from widgets.map.cell_panel import CellPanel
from widgets.map.consent_panel import ConsentPanel
from widgets.map.map_view import MapView
from widgets.map.preview_panel import PreviewPanel
from widgets.map.sharing_banner import SharingBanner

__all__ = ["CellPanel", "ConsentPanel", "MapView", "PreviewPanel", "SharingBanner"]
