"""COMTRADE records (IEEE C37.111 / IEC 60255-24) as a source of samples, read in blocks of any record size."""

from device_io.comtrade.config import AnalogChannel
from device_io.comtrade.errors import FileError, ReadingStopped
from device_io.comtrade.record import ComtradeRecord, open_comtrade

__all__ = ["AnalogChannel", "ComtradeRecord", "FileError", "ReadingStopped", "open_comtrade"]
