"""A broker for a home without one: in this program, with TLS, a password a module, and nothing to set up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from device_io.mqtt.accounts import DESKTOP, Accounts
from device_io.urls import MQTTS_PORT

if TYPE_CHECKING:
    from device_io.mqtt.certificates import ServerFiles

START_S = 10.0
STOP_S = 2.0
_SHUTDOWN_S = 1.5


class BrokerFailure(Exception):
    """Why the broker does not run: one sentence."""


class EmbeddedBroker:
    """A broker (MQTT 3.1.1 over TLS) in a thread of its own.

    folder: where its certificates and password hashes are kept. host: the address to listen on, every one of this
    computer's unless given. Modules and hosts trust it by `ca_file`. The user of a module is its EUI.
    """

    def __init__(self, folder: Path, port: int = MQTTS_PORT, host: str = "0.0.0.0") -> None:
        self.port = port
        self.host = host
        self._folder = folder
        self._accounts: Accounts | None = None
        self._files: ServerFiles | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None

    @property
    def ca_file(self) -> Path:
        """The certificate that modules and hosts need to trust this broker."""
        return self._folder / "ca.pem"

    @property
    def url(self) -> str:
        """The broker for programs on this computer; the password is `desktop_password`."""
        host = self.host if self.host not in ("", "0.0.0.0", "::") else "localhost"
        place = f"[{host}]" if ":" in host else host
        return f"mqtts://{DESKTOP}@{place}:{self.port}?ca={self.ca_file}"

    @property
    def desktop_password(self) -> str:
        """The password of user `desktop`, until the broker ends."""
        return self.accounts.desktop_password

    @property
    def accounts(self) -> Accounts:
        """Who may connect. BrokerFailure if the file of passwords can't be used."""
        if self._accounts is None:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._accounts = Accounts(self._folder / "accounts.json")
            except OSError as error:
                raise BrokerFailure(_sentence(error)) from None
        return self._accounts

    def add_module(self, eui: str) -> str:
        """A new password for this module, whose user name is its EUI. It is told once and kept only as a hash."""
        try:
            return self.accounts.add(eui)
        except OSError as error:
            raise BrokerFailure(_sentence(error)) from None

    def start(self) -> None:
        """Begin to listen; returns when connections are taken. BrokerFailure if that can't be."""
        from device_io.mqtt.certificates import names_of_this_computer, server_files

        if self._thread is not None:
            raise RuntimeError("the broker runs already")
        accounts = self.accounts
        try:
            names = names_of_this_computer()
            extra = () if self.host in ("", "0.0.0.0", "::") else (self.host,)
            self._files = server_files(self._folder, (*names, *extra))
            self._check_port()
        except OSError as error:
            raise BrokerFailure(_sentence(error)) from None
        _quieten()
        self._failure = None
        self._started.clear()
        self._thread = threading.Thread(target=self._run, args=(accounts,), name="embedded broker", daemon=True)
        self._thread.start()
        if not self._started.wait(START_S) or self._failure is not None:
            failure = self._failure
            self.stop()
            raise BrokerFailure(f"The broker could not start: {failure or 'it took too long'}.")

    def stop(self) -> None:
        """End within 2 s. May be called twice."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None:
            return
        if loop is not None and stopping is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stopping.set)
        thread.join(STOP_S)
        self._thread = self._loop = self._stopping = None

    def _check_port(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise OSError(self._why_not(error)) from None

    def _why_not(self, error: OSError) -> str:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            return f"This computer has no address {self.host} to listen on. Take one of its own, or 0.0.0.0 for all."
        if error.errno == errno.EACCES:
            return f"Port {self.port} is reserved by the system. Choose one from 1024 on, such as {MQTTS_PORT}."
        reason = (error.strerror or str(error)).lower()
        return (
            f"Port {self.port} can't be listened on ({reason}). Another broker may run on this computer: use that one, "
            "or choose another port."
        )

    def _run(self, accounts: Accounts) -> None:
        try:
            asyncio.run(self._serve(accounts))
        except Exception as error:
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self, accounts: Accounts) -> None:
        from device_io.mqtt.broker_plugin import NAME, BoundedBroker

        assert self._files is not None
        loop = asyncio.get_running_loop()
        # Failed handshakes and torn connections are the client's matter, told there.
        loop.set_exception_handler(lambda _loop, _context: None)
        self._loop, self._stopping = loop, asyncio.Event()
        listener = {
            "type": "tcp",
            "bind": f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}",
            "ssl": True,
            "certfile": str(self._files.cert),
            "keyfile": str(self._files.key),
        }
        broker = BoundedBroker(
            {"listeners": {"default": listener}, "plugins": {NAME: {"accounts": accounts}}}, loop=loop
        )
        await broker.start()
        self._started.set()
        await self._stopping.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), _SHUTDOWN_S)


def _quieten() -> None:
    """The library logs what clients do wrong as its own errors, with tracebacks; none of that is for a user."""
    for name in ("amqtt", "transitions"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
        logger.setLevel(logging.CRITICAL + 1)


def _sentence(error: OSError) -> str:
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"The broker can't use {error.filename}: it is no folder. Choose another one."
    if error.filename is not None:
        return f"The broker can't use {error.filename}: {(error.strerror or str(error)).lower()}."
    return str(error)
