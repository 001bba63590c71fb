"""The doctor that fits a link."""

from __future__ import annotations

import threading

from device_io.doctor import Check
from device_io.links import Prompt
from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl, parse_url


def examine(url: str, cancelled: threading.Event | None = None, prompt: Prompt | None = None) -> list[Check]:
    """Look at every part of the chain from this computer to the module (or broker) at a URL; takes up to half a minute.
    The port must be free.

    :raises LinkError: (BAD_URL) for what is not a link's URL.
    """
    cancelled = cancelled or threading.Event()
    parsed = parse_url(url)
    if isinstance(parsed, MqttUrl):
        from device_io.mqtt.doctor import examine_broker

        return examine_broker(parsed, prompt=prompt, stop=cancelled)
    if parsed.scheme == "rs485":
        from device_io.modbus.doctor import examine as examine_bus

        return examine_bus(parsed, cancelled=cancelled.is_set)
    if parsed.scheme == "usb":
        from device_io.usb_doctor import examine_usb

        return examine_usb(parsed)
    raise LinkError(LinkErrorKind.BAD_URL, f"{url!r} has no doctor.")
