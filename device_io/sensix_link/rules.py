"""Numbers that both ends of a Sensix Link keep to; docs/link-protocol.md section 3."""

from __future__ import annotations

VERSION_LOWEST = 1
VERSION_HIGHEST = 1
"""Protocol versions that this program speaks."""

START_BAUD = 115_200
"""Every module starts, and falls back, to this baud."""
BAUDS = (115_200, 921_600, 2_000_000, 3_000_000)
"""Bauds a module may offer."""

REPLY_TIMEOUT_S = 1.0
"""A module answers a request within half of this; the host then asks again or gives up."""
HELLO_INTERVAL_S = 0.5
"""A host without an answer repeats HELLO this often."""
BAUD_SWITCH_DELAY_S = 0.02
"""After BAUD_REPLY both ends wait this long (the reply leaves the transmitter), then switch."""
BAUD_CONFIRM_S = 1.0
"""Without an intact PROBE at the new baud within this time the module goes back to START_BAUD."""
KEEP_ALIVE_S = 1.0
"""A host sends any frame (PROBE if nothing else) at least this often while connected."""
HOST_SILENCE_S = 3.0
"""Without an intact frame from the host for this long the module stops the stream and goes back to START_BAUD."""
STATUS_INTERVAL_S = 1.0
"""A streaming module sends STATUS this often."""

MIN_BLOCK_S = 0.02
"""A sample block covers at least this time."""


def choose_version(host_lowest: int, host_highest: int, module_lowest: int, module_highest: int) -> int:
    """The highest protocol version that both ends speak, 0 if there is none."""
    highest = min(host_highest, module_highest)
    return highest if highest >= max(host_lowest, module_lowest) else 0


def version_problem(module_lowest: int, module_highest: int) -> str | None:
    """One sentence for the user when this program and a module have no version in common, else None."""
    if choose_version(VERSION_LOWEST, VERSION_HIGHEST, module_lowest, module_highest):
        return None
    if module_lowest > VERSION_HIGHEST:
        return (
            f"The module speaks link protocol {module_lowest} or newer, this program only up to {VERSION_HIGHEST}: "
            "update this program."
        )
    return (
        f"The module speaks link protocol {module_highest} or older, this program needs {VERSION_LOWEST} at least: "
        "update the module's firmware."
    )
