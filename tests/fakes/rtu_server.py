"""pymodbus' own server with RTU frames on a TCP port, in a thread, with the registers of a module or of a meter."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from device_io.virtual_module.rtu_registers import ModuleRegisters, RegisterFault
from tests.fakes.mosquitto import free_port


def module_device(unit: int, registers: ModuleRegisters) -> SimDevice:
    """A device of pymodbus that keeps the registers of a module."""

    async def act(
        function: int, start: int, address: int, count: int, current: list[int], values: list[int] | None
    ) -> None:
        try:
            if function == 4:
                current[address - start : address - start + count] = registers.read_input(address, count)
            elif function == 3:
                current[address - start : address - start + count] = registers.read_holding(address, count)
            elif values is not None:
                registers.write(address, values)
        except RegisterFault as fault:
            return fault.code  # type: ignore[return-value]

    everything = [SimData(0, count=0xFFFF, values=0, datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=False, datatype=DataType.BITS)]
    return SimDevice(unit, simdata=(bits, bits, everything, everything), action=act)


def meter_device(unit: int, registers: list[int], address: int) -> SimDevice:
    """Something else: a few registers at an address."""
    return SimDevice(unit, simdata=[SimData(address, values=registers, datatype=DataType.REGISTERS)])


@contextmanager
def serving(devices: list[SimDevice]) -> Iterator[str]:
    """The port, as socket://..., while the server runs."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    port = free_port()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    servers: list[ModbusTcpServer] = []

    async def run() -> None:
        server = ModbusTcpServer(devices, framer=FramerType.RTU, address=("127.0.0.1", port))
        servers.append(server)
        await server.serve_forever(background=True)
        ready.set()
        await server.serving

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="pymodbus server")
    thread.start()
    try:
        assert ready.wait(30.0)
        yield f"socket://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(servers[0].shutdown(), loop).result(30.0)
        thread.join(30.0)
        loop.run_until_complete(asyncio.sleep(0.05))
        loop.close()
