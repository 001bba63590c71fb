"""`python -m tests.fakes.module_server N TRANSPORT`: N virtual modules in a process of their own, until stdin ends.

The first line on stdout is a JSON list of their URLs.
"""

from __future__ import annotations

import json
import sys

from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort


def main(count: int, transport: str) -> None:
    ports = [UsbPort(VirtualModule("clean", seed=n), transport=transport) for n in range(count)]
    try:
        print(json.dumps([port.start() for port in ports]), flush=True)
        sys.stdin.read()
    finally:
        for port in ports:
            port.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
