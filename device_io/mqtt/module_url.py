"""The text of a module's URL."""

from __future__ import annotations

from urllib.parse import quote

from device_io.urls import MqttUrl


def module_url(url: MqttUrl) -> str:
    """The address of a module (or broker), with everything that is in it, in one way of writing."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    user = f"{quote(url.user, safe='')}@" if url.user else ""
    path = f"/{quote(url.token, safe='')}/{url.eui}" if url.token and url.eui else ""
    files = [f"{key}={quote(name)}" for key, name in (("ca", url.ca), ("cert", url.cert), ("key", url.key)) if name]
    return f"{url.scheme}://{user}{host}:{url.port}{path}{'?' if files else ''}{'&'.join(files)}"
