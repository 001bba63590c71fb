"""A Sensix module without hardware, behind a real serial line.

mains.py is what the conductors carry, as closed formulas; wiring.py what reaches each input; front_end.py the chips
that sample it; presets.py the ready-made installations and truth.py what a measurement of them must show; replay.py
plays a recording instead. module.py joins these into `VirtualModule`: identity, settings and sample blocks as functions
of time. line.py is the serial line (a pty or a TCP port), transmitter.py its sending end, firmware.py the module's end
of Sensix Link, faults.py what goes wrong, and usb_port.py runs them in real time: `UsbPort`. readings.py measures what
a module reports of itself.
"""
