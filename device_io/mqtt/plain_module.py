"""A module that only publishes: what can be said of it, and of one that says nothing at all."""

from __future__ import annotations

from device_io.source import LinkError, LinkErrorKind, ModuleInfo

PLAIN_TYPE = "PowerMonitor1, wiring unknown"


def plain_info(eui: str) -> ModuleInfo:
    """All that is certain of a module without link topics."""
    return ModuleInfo(
        eui=eui,
        type=PLAIN_TYPE,
        system="3P+N",  # all that the payload can hold
        firmware="not told",
        chips=(),
        capabilities=frozenset({"readings"}),
    )


def silence(host: str, eui: str, seconds: float, heard: bool, *, unfit: str, kept: bool) -> LinkError:
    """Why nothing comes. heard: it was there before. unfit: what came instead of readings, "" for nothing. kept: the
    broker has an old message."""
    if heard:
        return LinkError(
            LinkErrorKind.STALLED,
            f"The module {eui} has sent nothing since {seconds:.0f} s. Check its power and its WiFi.",
        )
    if unfit:
        return LinkError(LinkErrorKind.NOT_A_MODULE, unfit)
    old = " The broker only keeps an old message of it (retained)." if kept else ""
    return LinkError(
        LinkErrorKind.SILENT,
        f"The broker {host} is there, but the module {eui} has sent nothing since {seconds:.0f} s.{old} Check its "
        "power, its WiFi, and token and EUI in the address (upper and lower case count).",
    )
