"""A real mosquitto broker on a free loopback port, as a child process."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from tests.fakes.certificates import Authority, Pair, make_server_cert

PROGRAM = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin") or "/usr/sbin/mosquitto"

_READY_S = 30.0
_END_S = 20.0
_RUNNING = b" running\n"
_TAKEN = b"Address already in use"
_ATTEMPTS = 5
_FIRST_PORT = 15_000


class Mosquitto:
    """A broker for the time of a `with` block; it listens on 127.0.0.1 only.

    folder: where its configuration, log and state go (its own subfolder). tls: an authority, which then signs a
    certificate for localhost and 127.0.0.1, or a (authority, pair) with a certificate of one's own; None: plain TCP.
    passwords: {user: password}; without them nobody needs one. password_file: the same as a file of mosquitto's own.
    acl: lines of an ACL file. require_certificate: clients need one of the same authority, and its common name is
    their user name. persistent: sessions and queued messages survive `restart`, and those of the last `save`
    survive `kill`. extra: further lines of configuration. The port stays the same over restarts; where another program
    takes it before the first start, it is another one then.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tls: Authority | tuple[Authority, Pair] | None = None,
        passwords: dict[str, str] | None = None,
        password_file: Path | None = None,
        acl: str | None = None,
        require_certificate: bool = False,
        persistent: bool = False,
        extra: str = "",
    ) -> None:
        self.folder = folder / "mosquitto"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log_path = self.folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.ca: Path | None = None
        self._has_run = False
        lines = [
            "per_listener_settings false",
            "log_type all",
            "set_tcp_nodelay true",
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # else it becomes another user, who may not read the keys
            lines.append("user root")
        if tls is not None:
            authority, pair = tls if not isinstance(tls, Authority) else (tls, make_server_cert(tls, self.folder))
            self.ca = authority.cert
            lines += [f"cafile {authority.cert}", f"certfile {pair.cert}", f"keyfile {pair.key}"]
            if require_certificate:
                lines += ["require_certificate true", "use_identity_as_username true"]
        if passwords is not None:
            password_file = self.folder / "passwords"
            _write_passwords(password_file, passwords)
        if password_file is not None:
            lines += ["allow_anonymous false", f"password_file {password_file}"]
        else:
            lines.append("allow_anonymous true")
        if acl is not None:
            acl_file = self.folder / "acl"
            acl_file.write_text(acl, encoding="utf-8")
            acl_file.chmod(0o600)
            lines.append(f"acl_file {acl_file}")
        if persistent:
            lines += ["persistence true", f"persistence_location {self.folder}/", "max_queued_messages 0"]
        self._config = self.folder / "mosquitto.conf"
        self._lines = [*lines, extra, ""]

    @property
    def url(self) -> str:
        """The broker's address: mqtts://localhost:PORT with TLS, else mqtt://127.0.0.1:PORT."""
        return f"mqtts://localhost:{self.port}" if self.ca is not None else f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """All that the broker has logged."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    @property
    def is_running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and wait until it takes connections."""
        assert not self.is_running, "the broker runs already"
        for _ in range(_ATTEMPTS):
            if self._begin():
                self._has_run = True
                return
            if self._has_run:
                time.sleep(0.2)  # its clients know this port: whoever borrowed it may give it back
            else:
                self.port = free_port()
        raise AssertionError(f"mosquitto did not start:\n{self.log}")

    def _begin(self) -> bool:
        """Whether it listens; False if somebody else does on this port."""
        listener = "\n".join([f"listener {self.port} 127.0.0.1", *self._lines])
        self._config.write_text(listener, encoding="utf-8")
        before = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            process = self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline_s = time.monotonic() + _READY_S
        while True:
            ended = process.poll() is not None
            said = self.log_path.read_bytes()[before:]
            if not ended and _RUNNING in said:
                return True
            if ended or time.monotonic() > deadline_s:
                self.stop()
                assert _TAKEN in said, f"mosquitto did not start:\n{self.log}"
                return False
            time.sleep(0.01)

    def stop(self) -> None:
        """End it as a service manager would; waits. May be called twice."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_END_S)
        self._process = None

    def kill(self) -> None:
        """End it at once, as a power cut would; waits."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_END_S)
            self._process = None

    def save(self) -> None:
        """Write sessions and subscriptions to the disk now (persistent): they survive `kill`."""
        assert self._process is not None
        database = self.folder / "mosquitto.db"
        database.unlink(missing_ok=True)
        self._process.send_signal(signal.SIGUSR1)
        deadline_s = time.monotonic() + _READY_S
        while not database.exists():
            assert time.monotonic() < deadline_s, f"mosquitto did not save:\n{self.log}"
            time.sleep(0.01)

    def restart(self) -> None:
        """Stop and start again on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A loopback port that nobody listens on at this moment. None of those that the system gives to whoever asks for
    any, or to the near end of a connection: it would not stay free for long."""
    lowest = _lowest_given_port()
    for _ in range(1000):
        # Of the system's own chance: that of the tests is the same in every process.
        port = random.SystemRandom().randrange(_FIRST_PORT, lowest) if lowest > _FIRST_PORT + 1000 else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    continue
                raise
            return int(probe.getsockname()[1])
    raise AssertionError("no port is free")


def _lowest_given_port() -> int:
    """The lowest port that the system gives away by itself."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def _write_passwords(path: Path, passwords: dict[str, str]) -> None:
    """A password file as mosquitto_passwd makes it."""
    path.write_text("".join(f"{user}:{password}\n" for user, password in passwords.items()), encoding="utf-8")
    path.chmod(0o600)
    program = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([program, "-U", str(path)], check=True, capture_output=True, timeout=30)
