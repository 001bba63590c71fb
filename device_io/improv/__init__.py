"""Improv Wi-Fi over a serial port (improv-wifi.com, "Serial"): how a module learns its network."""
