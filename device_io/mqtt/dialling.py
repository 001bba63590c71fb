"""The way to a broker, step by step: address, TCP, TLS. Each step fails with a LinkError that names it."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from device_io.source import LinkError, LinkErrorKind
from device_io.urls import MqttUrl

TCP_TIMEOUT_S = 5.0
TLS_TIMEOUT_S = 5.0
_POLL_S = 0.1

Address = tuple[int, tuple[Any, ...]]
"""Family and socket address."""


class Stopped(Exception):
    """The owner wants to end."""


class Wire:
    """A connected socket as paho takes it, which remembers what paho keeps to itself: the last error, the bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.error: OSError | None = None
        self.bytes_received = self.bytes_sent = 0
        self.close = sock.close
        self.fileno = sock.fileno
        self.setblocking = sock.setblocking
        self._pending: Callable[[], int] | None = getattr(sock, "pending", None)

    def recv(self, size: int) -> bytes:
        """As of a socket."""
        try:
            data = self._sock.recv(size)
        except OSError as error:
            if not isinstance(error, (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError)):
                self.error = error
            raise
        self.bytes_received += len(data)
        return data

    def send(self, data: bytes) -> int:
        """As of a socket."""
        sent = self._sock.send(data)
        self.bytes_sent += sent
        return sent

    def pending(self) -> int:
        """Bytes that TLS has read already."""
        return self._pending() if self._pending is not None else 0


def resolve(url: MqttUrl) -> list[Address]:
    """Addresses of the host, best first. LinkError NO_SUCH_HOST."""
    try:
        found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        local = _in_local_network(url)
        if local:
            return local
        raise LinkError(
            LinkErrorKind.NO_SUCH_HOST,
            f"There is no host named {url.host}. Check the name, and that this computer is in the right network.",
        ) from None
    return [(int(family), address) for family, _, _, _, address in found]


def _in_local_network(url: MqttUrl) -> list[Address]:
    if not url.host.lower().rstrip(".").endswith(".local"):
        return []
    from device_io.mqtt.mdns import MdnsFailure, addresses_of

    try:
        return [(int(socket.AF_INET), (address, url.port)) for address in addresses_of(url.host)]
    except MdnsFailure:
        return []


def connect_tcp(url: MqttUrl, addresses: list[Address], stopping: threading.Event) -> socket.socket:
    """A connection to the first address that takes one. LinkError NO_CONNECTION, Stopped."""
    problem = "no answer"
    for family, address in addresses:
        try:
            return _connect(family, address, stopping)
        except OSError as error:
            problem = _reason(error)
    raise LinkError(
        LinkErrorKind.NO_CONNECTION,
        f"No connection to {url.host}, port {url.port}: {problem}. Check that the broker runs there and that no "
        "firewall is between.",
    )


def _connect(family: int, address: tuple[Any, ...], stopping: threading.Event) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", 0)):
            raise OSError(code, os.strerror(code))
        _wait(sock, selectors.EVENT_WRITE, time.monotonic() + TCP_TIMEOUT_S, stopping)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def tls_context(url: MqttUrl) -> ssl.SSLContext:
    """What a broker must prove: a certificate of the URL's authority (else one that the system trusts) for its host
    name; TLS 1.2 at least. LinkError BAD_URL for files that can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if url.ca is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(Path(url.ca))
    except (OSError, ssl.SSLError) as error:
        raise _bad_file({"ca": url.ca}, error, "the certificate of an authority in PEM form") from None
    if url.cert is not None:
        try:
            # A key with a pass phrase would be asked for on the terminal.
            context.load_cert_chain(url.cert, url.key, password=lambda: "")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise _bad_file(
                {"cert": url.cert, "key": url.key},
                error,
                "a certificate in PEM form that fits its key, without pass phrase",
            ) from None
    return context


def _bad_file(files: Mapping[str, str | None], error: Exception, what: str) -> LinkError:
    """Why files, {key of the URL: name}, can't be used: the first that is not there, else what the first is not."""
    given = {key: name for key, name in files.items() if name is not None}
    missing = next((key for key, name in given.items() if not Path(name).exists()), None)
    key = missing or next(iter(given), "ca")
    if missing:
        problem = "does not exist. Check its name and folder."
    elif isinstance(error, PermissionError):
        problem = "can't be read. Give yourself the right to read it."
    else:
        problem = f"is not {what}. Get the right one."
    return LinkError(LinkErrorKind.BAD_URL, f"The file {key}={given.get(key)} {problem}")


def start_tls(sock: socket.socket, url: MqttUrl, context: ssl.SSLContext, stopping: threading.Event) -> ssl.SSLSocket:
    """TLS over this connection, verified. LinkError says which proof failed; the socket is closed then. Stopped."""
    secured: ssl.SSLSocket | None = None
    try:
        secured = context.wrap_socket(sock, server_hostname=url.host, do_handshake_on_connect=False)
        deadline = time.monotonic() + TLS_TIMEOUT_S
        while True:
            try:
                secured.do_handshake()
                return secured
            except ssl.SSLWantReadError:
                _wait(secured, selectors.EVENT_READ, deadline, stopping)
            except ssl.SSLWantWriteError:
                _wait(secured, selectors.EVENT_WRITE, deadline, stopping)
    except BaseException as error:
        (secured or sock).close()
        if isinstance(error, OSError):
            raise tls_problem(error, url) from None
        raise


def tls_problem(error: OSError, url: MqttUrl) -> LinkError:
    """What an error of a handshake means."""
    broker = f"{url.host}, port {url.port},"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_problem(error, url)
    reason = (getattr(error, "reason", None) or "").upper()
    if is_about_client_certificate(error):
        return LinkError(
            LinkErrorKind.CLIENT_CERTIFICATE,
            f"The broker {broker} wants a client certificate"
            + (" and does not accept the one given" if url.cert else "")
            + ". Add cert=FILE&key=FILE, made by the broker's authority, to its address.",
        )
    if "PROTOCOL_VERSION" in reason or "UNSUPPORTED_PROTOCOL" in reason:
        return LinkError(
            LinkErrorKind.NOT_TLS,
            f"The broker {broker} speaks only a TLS older than 1.2, which is not safe. Update it.",
        )
    full = isinstance(error, (ssl.SSLEOFError, ConnectionError))  # it closed the connection
    return LinkError(
        LinkErrorKind.NOT_TLS,
        f"The broker {broker} does not answer with TLS. Brokers take TLS on port 8883, as a rule; 1883 is without."
        + (" A broker that takes no more clients looks the same." if full else ""),
    )


def is_about_client_certificate(error: BaseException | None) -> bool:
    """Whether the other end ended TLS for want of a certificate that it accepts."""
    reason = (getattr(error, "reason", None) or "").upper()
    words = ("CERTIFICATE_REQUIRED", "BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "HANDSHAKE_FAILURE", "CERTIFICATE_UNKNOWN")
    return isinstance(error, ssl.SSLError) and any(word in reason for word in words)


def _certificate_problem(error: ssl.SSLCertVerificationError, url: MqttUrl) -> LinkError:
    code = error.verify_code
    if code in (62, 64):  # X509_V_ERR_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH
        return LinkError(
            LinkErrorKind.WRONG_HOST_NAME,
            f"The certificate of the broker is not for {url.host}. Use the name that it was made for, or have one made "
            f"for {url.host}.",
        )
    if code in (9, 10):  # X509_V_ERR_CERT_NOT_YET_VALID, _HAS_EXPIRED
        state = "has expired" if code == 10 else "is not valid yet"
        return LinkError(
            LinkErrorKind.CERTIFICATE_EXPIRED,
            f"The certificate of {url.host} {state}, by this computer's clock ({datetime.now().date()}). Check the "
            "clock; if it is right, the broker needs a new certificate.",
        )
    trusted = f"the authority in {url.ca}" if url.ca else "an authority that this computer trusts"
    return LinkError(
        LinkErrorKind.UNKNOWN_CA,
        f"The certificate of {url.host} is not signed by {trusted}. Get the certificate of the broker's authority and "
        "name it in the address: ca=FILE.",
    )


def _wait(sock: socket.socket, event: int, deadline: float, stopping: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(sock, event)
        while not selector.select(_POLL_S):
            if stopping.is_set():
                raise Stopped
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, "no answer in time")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "nothing answers"
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return "nobody listens there"
    return (error.strerror or str(error)).lower()
