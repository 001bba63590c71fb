"""Link URLs: `usb:PORT[?baud=N]`.

PORT is a device name (COM5, /dev/ttyUSB0) or any pyserial URL (socket://127.0.0.1:4711, rfc2217://host:port).
"""

from __future__ import annotations

from dataclasses import dataclass

from device_io.source import LinkError, LinkErrorKind

USB_BAUDS = (115_200, 921_600, 2_000_000, 3_000_000)
"""Rates a module's USB port can be asked for."""

_FORM = "Write usb:PORT, for example usb:COM5, usb:/dev/ttyUSB0 or usb:socket://127.0.0.1:4711."
_LATER = ("rs485", "mqtt", "mqtts")


@dataclass(frozen=True)
class LinkUrl:
    """A link URL taken apart.

    scheme: "usb". port: device name or pyserial URL, without our own keys. baud: rate to use, None to choose
    by itself. text: the URL as it was given.
    """

    scheme: str
    port: str
    baud: int | None
    text: str


def parse_url(text: str) -> LinkUrl:
    """Take a link URL apart.

    :raises LinkError: (BAD_URL) if it is not one; the text says what to write instead.
    """
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if colon and scheme in _LATER:
        raise _bad_url(f"{scheme}: links are not supported by this version yet; connect the module by USB. {_FORM}")
    if not colon or scheme != "usb":
        raise _bad_url(f"{text!r} is not the address of a module. {_FORM}")
    port, baud = _split_query(rest, text)
    if not port or port.startswith("?"):
        raise _bad_url(f"{text!r} names no port. {_FORM}")
    return LinkUrl(scheme, port, baud, text)


def _split_query(rest: str, text: str) -> tuple[str, int | None]:
    """The port with the query that is not ours, and our own `baud`."""
    port, _, query = rest.partition("?")
    baud: int | None = None
    foreign: list[str] = []
    for item in filter(None, query.split("&")):
        key, _, value = item.partition("=")
        if key != "baud":
            foreign.append(item)
        elif baud is not None:
            raise _bad_url(f"{text!r} gives the baud rate twice. Leave one of them out.")
        elif not value.isascii() or not value.isdigit() or int(value) not in USB_BAUDS:
            rates = ", ".join(str(rate) for rate in USB_BAUDS)
            raise _bad_url(f"{value!r} is not a baud rate of a module. Choose one of {rates}, or leave it out.")
        else:
            baud = int(value)
    if foreign and "://" not in port:
        raise _bad_url(f"{foreign[0]!r} means nothing for the port {port}. The only key there is baud. {_FORM}")
    return (f"{port}?{'&'.join(foreign)}" if foreign else port), baud


def _bad_url(sentence: str) -> LinkError:
    return LinkError(LinkErrorKind.BAD_URL, sentence)
