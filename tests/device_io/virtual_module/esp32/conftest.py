"""Virtual modules on a chip that can be flashed, on real ports."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from device_io.virtual_module.esp32.board import Esp32Board
from device_io.virtual_module.esp32.faults import parse_board_faults
from device_io.virtual_module.faults import NO_FAULTS
from device_io.virtual_module.module import VirtualModule
from device_io.virtual_module.usb_port import UsbPort


@pytest.fixture
def plug_in():
    """plug_in(faults, transport, path=, paced=): a running module with `url`, `board`, `module`, `wait` and `stop`."""
    stops = []

    def start(faults="", transport="auto", *, path=None, paced=False):
        module = VirtualModule()
        board = Esp32Board(module.info.eui, path=path, faults=parse_board_faults(faults))
        port = UsbPort(module, NO_FAULTS, transport, board, paced=paced)

        def stop():
            port.stop()
            board.close()

        def wait(condition, deadline_s=30.0):
            end = time.monotonic() + deadline_s
            while not condition():
                assert time.monotonic() < end, f"still {board.state} after {deadline_s} s: {board.last_boot}"
                time.sleep(0.005)

        stops.append(stop)
        return SimpleNamespace(url=port.start(), board=board, module=module, wait=wait, stop=stop)

    yield start
    for stop in stops:
        stop()
