"""Firmware, as the application shows and handles it."""
