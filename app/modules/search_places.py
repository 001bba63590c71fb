"""Where "Search all links" looks: what is plugged in, the buses behind serial ports, the brokers that are known."""

from __future__ import annotations

from app.preferences import Preferences
from device_io.discovery.search import Place
from device_io.discovery.usb_ports import plugged_in

BROKERS = "brokers"
"""Name in the preferences: URLs of brokers, without passwords."""


def search_places(preferences: Preferences) -> list[Place]:
    """Ports are asked for a module; where none answers there may be a bus, which is scanned."""
    places = [Place(url, scan=url.startswith("usb:")) for url in sorted(plugged_in())]
    return places + [Place(url) for url in preferences.get(BROKERS, list, []) if isinstance(url, str)]
