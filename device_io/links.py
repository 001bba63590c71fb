"""From a URL to the link that speaks to what is there."""

from __future__ import annotations

from collections.abc import Callable

from device_io.source import ModuleLink
from device_io.urls import LinkUrl, MqttUrl, parse_url
from device_io.usb_link import UsbLink

Prompt = Callable[[str], str | None]
"""Asks a person for a password with this sentence; None when they give up."""


def open_link(
    url: str | LinkUrl | MqttUrl,
    *,
    reconnect: bool = True,
    readings_period_s: float = 1.0,
    snapshots: bool = False,
    prompt: Prompt | None = None,
) -> ModuleLink:
    """A link, not yet started, to the module at a URL.

    reconnect: keep trying after a failure. readings_period_s, snapshots: of a bus; prompt: of a broker.

    :raises LinkError: (BAD_URL) for what is not the URL of a module.
    """
    parsed = parse_url(url) if isinstance(url, str) else url
    if isinstance(parsed, MqttUrl):
        from device_io.mqtt.wifi_link import WifiLink

        return WifiLink(parsed, reconnect=reconnect, prompt=prompt)
    if parsed.scheme == "rs485":
        from device_io.modbus.rs485_link import Rs485Link

        return Rs485Link(parsed, reconnect=reconnect, readings_period_s=readings_period_s, snapshots=snapshots)
    return UsbLink(parsed, reconnect=reconnect)
