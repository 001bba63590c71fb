"""A module on an RS485 bus, over Modbus RTU.

line.py is the port (bytes), client.py the master's requests (the one file that knows pymodbus), codec.py what
registers hold, unit.py how one module is read and written, station.py its life on a bus, bus.py the thread that owns a
port and serves its stations in turn, and rs485_link.py the link as the rest of the application sees it. scan.py looks
for units, doctor.py for what is wrong.
"""
