"""The Firmware page of the window."""
