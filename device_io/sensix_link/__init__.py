"""Sensix Link v1, the protocol on the USB serial port (docs/link-protocol.md)."""
