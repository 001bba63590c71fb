"""The doctor of a USB link: cable, driver, rights, other programs, the module itself, one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from device_io.discovery.identify import identify
from device_io.discovery.usb_ports import UsbPort, usb_ports
from device_io.doctor import Check
from device_io.source import LinkError, LinkErrorKind
from device_io.transport import open_transport
from device_io.urls import LinkUrl
from device_io.usb_link import UsbLink

_NOT_REACHED = "Not looked at: what stands above comes first."
_CABLE = (
    "Use a cable that carries data: many that come with chargers do not. Try another socket of the computer, "
    "without a hub."
)


def examine_usb(
    url: LinkUrl, *, hello_timeout_s: float = 8.0, ports: Callable[[], tuple[UsbPort, ...]] = usb_ports
) -> list[Check]:
    """Look at each link of the chain from this computer to the module behind a port. Takes up to the time-out and
    2 s; opens the port, so nothing else may use it."""
    checks = [_present(url.port, ports())]
    if checks[0].state != "bad":
        checks.append(_may_open(url))
    if checks[-1].state != "bad":
        checks.append(_answers(url, hello_timeout_s))
    names = ("Port", "Access", "Module")
    return checks + [Check(name, "unknown", _NOT_REACHED) for name in names[len(checks) :]]


def _present(port: str, found: tuple[UsbPort, ...]) -> Check:
    if "://" in port:
        return Check("Port", "ok", f"{port} is reached over the network.")
    for known in found:
        if known.device == port:
            bridge = known.bridge or f"USB {known.vid:04X}:{known.pid:04X}"
            return Check("Port", "ok", f"{port} is there ({bridge}).")
    if os.path.exists(port):
        return Check("Port", "ok", f"{port} is there; it is not a USB device.")
    others = ", ".join(known.device for known in found)
    if others:
        return Check("Port", "bad", f"There is no port {port}.", f"This computer sees {others}: choose one of them.")
    driver = (
        " If the computer makes its plug-in sound and no port appears, install the driver of the module's USB chip "
        "(CP210x or CH340)."
        if sys.platform in ("win32", "darwin")
        else ""
    )
    return Check("Port", "bad", f"There is no port {port}: the computer sees no USB serial device.", _CABLE + driver)


def _may_open(url: LinkUrl) -> Check:
    try:
        open_transport(url.port, 115_200).close()
    except LinkError as error:
        what, _, advice = str(error).partition(". ")
        if error.kind is LinkErrorKind.PORT_BUSY:
            holder = _holder(url.port)
            if holder:
                return Check("Access", "bad", f"{url.port} is in use by {holder}.", "Close that program and try again.")
        return Check("Access", "bad", f"{what.rstrip('.')}.", advice)
    return Check("Access", "ok", f"{url.port} can be opened.")


def _answers(url: LinkUrl, timeout_s: float) -> Check:
    try:
        info = identify(UsbLink(url, reconnect=False, hello_timeout_s=timeout_s), timeout_s + 2.0)
    except LinkError as error:
        what, _, advice = str(error).partition(". ")
        if error.kind is LinkErrorKind.SILENT:
            advice = advice or "Check that the module has power; press its reset button once."
        return Check("Module", "bad", f"{what.rstrip('.')}.", advice)
    return Check("Module", "ok", f"Module {info.eui} answers: {info.system}, firmware {info.firmware}.")


def _holder(port: str) -> str:
    """Name and number of a process of this user that holds a device open, where the system tells ("" elsewhere)."""
    try:
        device = os.path.realpath(port)
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid() and _holds(process, device):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                return f"{name} (process {process.name})"
    except OSError:
        pass
    return ""


def _holds(process: Path, device: str) -> bool:
    try:
        return any(os.readlink(handle) == device for handle in (process / "fd").iterdir())
    except OSError:  # another user's, or gone meanwhile
        return False
