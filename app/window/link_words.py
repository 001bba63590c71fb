"""A link's state in words for the top bar."""

from __future__ import annotations

from device_io.discovery.module_list import kind_of
from device_io.source import LinkPhase, LinkState

_MANY_DAMAGED = 0.01
_KINDS = {"usb": "USB", "rs485": "RS485", "wifi": "WiFi"}


def link_kind(url: str) -> str:
    """ "USB", "RS485" or "WiFi"."""
    return _KINDS.get(kind_of(url), "USB")


def link_place(url: str) -> str:
    """Where a link goes, short: the port, "COM6 unit 3", the broker."""
    rest, _, query = url.partition(":")[2].partition("?")
    if kind_of(url) == "wifi":
        return rest.removeprefix("//").partition("/")[0].rpartition("@")[2]
    place = rest.removeprefix("socket://") if "://" in rest else rest.rpartition("/")[2]
    unit = next((item.removeprefix("unit=") for item in query.split("&") if item.startswith("unit=")), "")
    return f"{place} unit {unit}" if unit and kind_of(url) == "rs485" else place


def link_words(state: LinkState) -> tuple[int, str, str | None]:
    """(bars 0..4, one word, the error's sentence or None) of a state."""
    if state.phase is LinkPhase.STREAMING:
        counters = state.counters
        frames = counters.frames_good + counters.frames_damaged
        if frames and counters.frames_damaged / frames > _MANY_DAMAGED:
            return 1, "poor", "Many frames arrive damaged. Use a shorter cable or another USB port."
        if counters.blocks_left_out:
            return (
                2,
                "too slow",
                "The line cannot carry all samples: the module leaves blocks out. Raise the baud rate.",
            )
        return (3, "fair", None) if counters.frames_damaged else (4, "good", None)
    words = {
        LinkPhase.CLOSED: "closed",
        LinkPhase.OPENING: "connecting",
        LinkPhase.CONNECTED: "connected",
        LinkPhase.LOST: "lost",
        LinkPhase.FAILED: "failed",
    }
    return 0, words[state.phase], str(state.error) if state.error is not None else None
