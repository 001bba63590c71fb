"""Flashing with unmodified esptool, so that there is always a way back."""
