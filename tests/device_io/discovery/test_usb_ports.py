from __future__ import annotations

import threading
from types import SimpleNamespace

from device_io.discovery.usb_ports import PortWatcher, UsbPort, usb_ports

COM3 = UsbPort("COM3", 0x10C4, 0xEA60, "A1", "Silicon Labs CP210x")
COM4 = UsbPort("COM4", 0x1A86, 0x7523, "", "WCH CH340")


def listed(device, vid, pid, serial_number=None):
    return SimpleNamespace(device=device, vid=vid, pid=pid, serial_number=serial_number)


def test_only_ports_with_a_usb_identity_are_looked_at():
    ports = [listed("COM4", 0x1A86, 0x7523), listed("COM1", None, None), listed("COM3", 0x10C4, 0xEA60, "A1")]
    assert usb_ports(ports) == (COM3, COM4)
    assert usb_ports([listed("COM9", 0x1234, 0x5678)])[0].bridge == ""


def test_what_comes_and_goes_is_told():
    present = [frozenset({"usb:COM3"})]
    seen: list[tuple[str, str]] = []
    changed = threading.Condition()

    def note(what):
        def told(url):
            with changed:
                seen.append((what, url))
                changed.notify_all()

        return told

    watcher = PortWatcher(note("added"), note("removed"), places=lambda: present[0], period_s=0.01)
    watcher.start()
    try:
        with changed:
            assert changed.wait_for(lambda: len(seen) == 1, 30.0)
            present[0] = frozenset({"usb:COM3", "usb:COM4"})
            assert changed.wait_for(lambda: len(seen) == 2, 30.0)
            present[0] = frozenset({"usb:COM4"})
            assert changed.wait_for(lambda: len(seen) == 3, 30.0)
    finally:
        watcher.stop()
    assert seen == [("added", "usb:COM3"), ("added", "usb:COM4"), ("removed", "usb:COM3")]


def test_a_list_that_fails_once_ends_nothing():
    lists = iter([OSError("gone while it was read"), frozenset({"usb:COM3"})])
    found = threading.Event()

    def places():
        listed = next(lists, frozenset({"usb:COM3"}))
        if isinstance(listed, OSError):
            raise listed
        return listed

    watcher = PortWatcher(lambda _: found.set(), lambda _: None, places=places, period_s=0.01)
    watcher.start()
    try:
        assert found.wait(30.0)
    finally:
        watcher.stop()
