"""Topics of a module: `v1/{token}/devices/{EUI}/0/...`; docs/mqtt.md."""

from __future__ import annotations

import re
import secrets
from typing import NamedTuple

TAG_BYTES = 8
"""A client's tag: lower-case hex digits."""

_TAG = re.compile(rb"[0-9a-f]{8}")
_PATTERN = re.compile(r"v1/([^/+#\0]+)/devices/([0-9A-Fa-f]{16})/0/(.+)")


class Topics(NamedTuple):
    """Topics of one module. readings: what it publishes; config: any message here toggles burst mode; to: requests of
    clients; samples: its waveform stream."""

    readings: str
    config: str
    to: str
    samples: str

    def replies(self, tag: str) -> str:
        """Where the module answers the client with this tag."""
        return f"{self.to.removesuffix('/to')}/from/{tag}"


def topics_of(token: str, eui: str) -> Topics:
    """The topics of a module. token and eui as they stand in its URL."""
    base = f"v1/{token}/devices/{eui}/0"
    return Topics(f"{base}/bin", f"{base}/config", f"{base}/link/to", f"{base}/link/samples")


def split_topic(topic: str) -> tuple[str, str, str] | None:
    """(token, EUI as written, rest behind `0/`) of a module's topic, None for any other."""
    match = _PATTERN.fullmatch(topic)
    return None if match is None else (match[1], match[2], match[3])


def new_tag() -> str:
    """A random client tag."""
    return secrets.token_hex(TAG_BYTES // 2)


def split_request(payload: bytes) -> tuple[str, int, bytes] | None:
    """(tag, kind, payload) of a message on the `to` topic, None if it is not one."""
    if len(payload) <= TAG_BYTES or not _TAG.fullmatch(payload[:TAG_BYTES]):
        return None
    return payload[:TAG_BYTES].decode("ascii"), payload[TAG_BYTES], payload[TAG_BYTES + 1 :]


def any_readings() -> str:
    """The filter for what all modules publish."""
    return "v1/+/devices/+/0/bin"
