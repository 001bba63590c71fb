"""The firmware page: versions, changes, backup, stages, WiFi, boot log."""

from widgets.firmware.firmware_panel import FirmwarePanel

__all__ = ["FirmwarePanel"]
