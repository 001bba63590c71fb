"""An ESP32 without hardware: flash memory, the loader in its ROM, the flasher stub, and booting what the flash holds.

flash.py is the memory; chip.py the identities (ESP32, ESP32-C3) with their registers; slip.py the framing; rom.py and
stub.py what the two loaders answer on a machine.py, loader.py joins them: `Esp32Loader`, bytes in, bytes out.
image_reader.py, secure_boot.py and boot.py start what the flash really holds; image_maker.py makes the default
contents; store.py keeps settings and calibration in their partitions; faults.py is what goes wrong. board.py joins all
of it and runs an application: `Esp32Board`. No threads and no clock of its own: times are given, in seconds.
"""
