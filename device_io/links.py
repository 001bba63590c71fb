"""From a URL to the link that speaks to what is there."""

from __future__ import annotations

from device_io.source import LinkError, LinkErrorKind, ModuleLink
from device_io.urls import LinkUrl, MqttUrl, parse_url
from device_io.usb_link import UsbLink


def open_link(url: str | LinkUrl | MqttUrl, *, readings_period_s: float = 0.0) -> ModuleLink:
    """A link, not yet started, to the module at a URL.

    :raises LinkError: (BAD_URL) for what is not the URL of a module.
    """
    if isinstance(url, str):
        url = parse_url(url)
    if isinstance(url, MqttUrl) or url.scheme == "rs485":
        raise LinkError(LinkErrorKind.BAD_URL, "Links over RS485 and WiFi come with the next version; use usb:PORT.")
    return UsbLink(url, readings_period_s=readings_period_s)
