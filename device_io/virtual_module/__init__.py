"""A Sensix module without hardware, behind a real serial line.

mains.py is what the conductors carry, as closed formulas; wiring.py what reaches each input; front_end.py the chips
that sample it; presets.py the ready-made installations and truth.py what a measurement of them must show; replay.py
plays a recording instead. module.py joins these into `VirtualModule`: identity, settings and sample blocks as functions
of time. line.py is the serial line (a pty or a TCP port), transmitter.py its sending end, firmware.py the module's end
of Sensix Link, firmware_answers.py what a module answers over whatever link, faults.py what goes wrong, port_runner.py
the loop of a port. readings.py measures what a module reports of itself; settings.py holds what can be set; improv.py
gives it a network.

Its ports: usb_port.py `UsbPort`; rs485_port.py `Rs485Port` with rtu_slave.py, rtu_registers.py and rtu_faults.py;
wifi_port.py `WifiPort` with wifi_sessions.py. esp32/ is the chip behind the USB port, with its loader and flash memory;
board_runner.py and loader_pipe.py join it to the port, rfc2217_line.py gives it reset lines.
"""

EUIS = "0253454E"
"""What the EUI of every virtual module begins with: locally administered, then "SEN"."""
