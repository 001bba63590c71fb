"""The RS485 doctor: which link of the chain from this computer to the module fails. It only reads."""

from __future__ import annotations

import bisect
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from device_io.doctor import Check
from device_io.modbus.errors import BusError, DamagedReply, ExceptionReply, NoReply
from device_io.modbus.line import ByteLine, LineOpener, open_line
from device_io.modbus.scan import FIRST_UNITS, LIKELY, is_module
from device_io.source import LinkError
from device_io.urls import RS485_BAUDS, LinkUrl, parse_serial_url
from resources import register_map as rm

if TYPE_CHECKING:
    from device_io.modbus.client import Master

LISTEN_S = 0.3
"""How long the idle line is listened to."""
PROBES = 20
"""Requests that the timing and the noise are taken from."""
REPLY_S, QUIET_S = 0.3, 0.05
SLOWEST_S = 1.0
"""How long a reply is waited for once it is known that the unit answers."""
SLOW_S = 0.2
"""Replies later than this make a bus slow, and are close to what other masters wait for."""
NOISY = 0.02
"""Share of damaged replies above which a line counts as noisy."""
_CLASSES_MS = (5, 10, 20, 50, 100, 200)
"""Upper ends of the classes of the histogram of times."""
_COUNT = rm.HEADER_REGISTERS + 3
_WIRES = (
    "Check the screws of A and B, the termination (120 ohm at both ends, nowhere else), the common conductor, and that "
    "no other unit has the same address."
)
_NAMES = ("Port", "Idle line", "Baud and parity", "Reply", "Address", "Noise", "Timing", "Module")
_WORDS = {"N": "no parity", "E": "even parity", "O": "odd parity"}


class _Heard(NamedTuple):
    """What came of some requests: replies, how many of them damaged or missing, and the bytes of the damaged ones."""

    asked: int
    good: int
    silent: int
    damaged: tuple[bytes, ...]


def examine(
    url: str | LinkUrl,
    *,
    opener: LineOpener = open_line,
    cancelled: Callable[[], bool] = lambda: False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Check]:
    """A check for every part of the chain, always the same ones in the same order; "unknown" for what could not be
    looked at because something before it fails, or after a cancel. progress: told what is looked at.

    :raises LinkError: (BAD_URL) for what is not the URL of a unit.
    """
    link = parse_serial_url(url, "rs485") if isinstance(url, str) else url
    examination = _Examination(link, opener, cancelled, progress)
    try:
        examination.run()
    except LinkError as error:
        examination.add("Port", "bad", str(error))
    except _Cancelled:
        pass
    found = {check.name: check for check in examination.checks}
    return [found.get(name, Check(name, "unknown", "This was not looked at.")) for name in _NAMES]


class _Cancelled(Exception):
    pass


class _Examination:
    def __init__(
        self, link: LinkUrl, opener: LineOpener, cancelled: Callable[[], bool], progress: Callable[[str], None]
    ) -> None:
        self._link = link
        self._opener = opener
        self._cancelled = cancelled
        self._progress = progress
        self.checks: list[Check] = []

    def add(self, name: str, state: str, text: str, advice: str = "") -> None:
        assert state in ("ok", "warn", "bad", "unknown")
        self.checks.append(Check(name, state, text, advice))  # type: ignore[arg-type]

    def run(self) -> None:
        link = self._link
        assert link.baud is not None
        self._progress("Port")
        line = self._opener(link.port, link.baud, link.parity)
        try:
            master = self._master(line, link.baud, link.parity)
            unasked = self._listen(line)
            self._progress("Reply")
            heard = self._ask(master, link.unit, 4)
            echo = " The adapter hears its own requests." if master.echo else ""
            self.add("Port", "ok", f"{link.port} opens at {link.baud} baud.{echo}")
            if heard.good:
                self._examine_replies(master, unasked)
                return
            others = [] if heard.damaged else self._other_units(master)
        finally:
            line.close()
        if others:
            self._tell_address(others, unasked)
        elif _begin_right(heard, link.unit):
            self._tell_damage(heard, unasked)
        else:
            self._tell_silence(heard, unasked)

    # What is heard

    def _master(self, line: ByteLine, baud: int, parity: str) -> Master:
        from device_io.modbus.client import Master

        master = Master(line, baud, parity, reply_s=REPLY_S, quiet_s=QUIET_S)
        master.stopped = self._cancelled
        return master

    def _listen(self, line: ByteLine) -> bytes:
        """What arrives although nobody was asked."""
        self._progress("Idle line")
        heard = b""
        until_s = time.monotonic() + LISTEN_S
        while (left_s := until_s - time.monotonic()) > 0.0:
            heard += line.read(left_s)
            self._look_up()
        return heard

    def _ask(self, master: Master, unit: int, times: int) -> _Heard:
        good = silent = 0
        damaged: list[bytes] = []
        address = rm.block_address(rm.IDENTITY_BLOCK)
        for _ in range(times):
            self._look_up()
            try:
                master.read_input(unit, address, _COUNT)
                good += 1
            except ExceptionReply:
                good += 1
            except NoReply:
                silent += 1
            except DamagedReply:
                damaged.append(master.received)
        return _Heard(times, good, silent, tuple(damaged))

    def _other_units(self, master: Master) -> list[int]:
        """Other addresses that answer at the same settings, of the low ones."""
        found = []
        for unit in range(1, FIRST_UNITS + 1):
            if unit != self._link.unit:
                self._progress(f"Address {unit}")
                if self._ask(master, unit, 1).good:
                    found.append(unit)
        return found

    def _other_settings(self) -> tuple[int, str] | None:
        """Baud and parity at which the unit answers."""
        mine = (self._link.baud, self._link.parity)
        pairs = [*LIKELY, *((baud, parity) for baud in reversed(RS485_BAUDS) for parity in "NEO")]
        for baud, parity in dict.fromkeys(pairs):
            if (baud, parity) == mine:
                continue
            self._progress(f"{baud} baud, {_WORDS[parity]}")
            self._look_up()
            try:
                line = self._opener(self._link.port, baud, parity)
            except LinkError:
                continue  # the adapter can't do it
            try:
                if self._ask(self._master(line, baud, parity), self._link.unit, 2).good:
                    return baud, parity
            finally:
                line.close()
        return None

    def _look_up(self) -> None:
        if self._cancelled():
            raise _Cancelled

    # What it means

    def _examine_replies(self, master: Master, unasked: bytes) -> None:
        self._tell_idle(unasked)
        link = self._link
        self.add("Baud and parity", "ok", f"{link.baud} baud and {_WORDS[link.parity]} are right.")
        self.add("Reply", "ok", f"Unit {link.unit} answers.")
        self.add("Address", "ok", f"One unit answers at address {link.unit}.")
        self._progress("Timing")
        # A reply that came too late for its own request looks like the answer to the next one, which is the same.
        master.reply_s, master.quiet_s = SLOWEST_S, SLOWEST_S / 2.0
        master.distrust()
        master.latencies_s.clear()
        heard = self._ask(master, link.unit, PROBES)
        self._tell_noise(heard)
        self._tell_timing(sorted(master.latencies_s), heard.silent)
        self._progress("Module")
        try:
            if is_module(master, link.unit):
                self.add("Module", "ok", "It is a Sensix module.")
            else:
                self.add(
                    "Module",
                    "bad",
                    f"Unit {link.unit} is a Modbus device, but no Sensix module.",
                    "Check the address: let the scan show which units there are.",
                )
        except ExceptionReply as error:
            self.add("Module", "bad", f"It is busy all the time ({error}).", "Wait a minute, or turn it off and on.")
        except BusError:
            self.add("Module", "unknown", "Too much of what it sends is damaged to tell.")

    def _tell_idle(self, unasked: bytes) -> None:
        if not unasked:
            self.add("Idle line", "ok", "Nothing arrives while nobody is asked.")
        else:
            self.add(
                "Idle line",
                "warn",
                f"{len(unasked)} bytes arrived within {LISTEN_S:g} s although nobody was asked.",
                "Look for a second master on the bus, for missing bias resistors, and for swapped A and B.",
            )

    def _tell_noise(self, heard: _Heard) -> None:
        lost = len(heard.damaged) + heard.silent
        share = lost / heard.asked
        if not lost:
            self.add("Noise", "ok", f"All of {heard.asked} replies were intact.")
        else:
            self.add(
                "Noise",
                "bad" if share > 0.2 else "warn" if share > NOISY else "ok",
                f"{len(heard.damaged)} of {heard.asked} replies were damaged and {heard.silent} missing.",
                _WIRES,
            )

    def _tell_timing(self, latencies_s: Sequence[float], silent: int) -> None:
        if not latencies_s:
            self.add("Timing", "unknown", "No reply was intact.")
            return
        late = latencies_s[min(len(latencies_s) - 1, int(0.95 * len(latencies_s)))]
        figures = {
            "shortest": latencies_s[0],
            "median": statistics.median(latencies_s),
            "95 %": late,
            "longest": latencies_s[-1],
        }
        text = "Replies begin after " + ", ".join(f"{name} {value * 1e3:.1f} ms" for name, value in figures.items())
        text += f" ({_histogram(latencies_s)})"
        slow = late > SLOW_S or silent > 0
        advice = "Give other masters of this bus a time-out of at least half a second." if slow else ""
        self.add("Timing", "warn" if slow else "ok", f"{text}.", advice)

    def _tell_address(self, others: Sequence[int], unasked: bytes) -> None:
        self._tell_idle(unasked)
        link = self._link
        shown = ", ".join(str(unit) for unit in others)
        self.add("Baud and parity", "ok", f"{link.baud} baud and {_WORDS[link.parity]} are right: others answer.")
        self.add("Reply", "bad", f"Unit {link.unit} does not answer; {shown} does.", "")
        self.add(
            "Address",
            "bad",
            f"No unit has address {link.unit}; there is {shown}.",
            f"Use unit={others[0]}, or check the power of the unit that should be {link.unit}.",
        )

    def _tell_damage(self, heard: _Heard, unasked: bytes) -> None:
        """Every reply begins as it should: two units that answer at once, or a line that spoils what is on it."""
        self._tell_idle(unasked)
        link = self._link
        self.add("Baud and parity", "ok", "Every reply begins as it should, so baud and parity are right.")
        self.add("Reply", "bad", "Every reply begins as it should and is damaged further on.", "")
        if _whole(heard) and not _same_reply(heard):
            self.add(
                "Address",
                "bad",
                f"Two units seem to have address {link.unit}: they answer at the same time.",
                "Disconnect one of them, give the other one another address over its USB port, and connect it again.",
            )
            return
        what = "damaged" if _whole(heard) else "cut short"
        self.add("Address", "ok", f"One unit answers at address {link.unit}.")
        self.add("Noise", "bad", f"All of {heard.asked} replies were {what}.", _WIRES)

    def _tell_silence(self, heard: _Heard, unasked: bytes) -> None:
        link = self._link
        right = self._other_settings()
        self._tell_idle(unasked)
        if right is not None:
            baud, parity = right
            self.add(
                "Baud and parity",
                "bad",
                f"Unit {link.unit} answers at {baud} baud with {_WORDS[parity]}, not at {link.baud} baud with "
                f"{_WORDS[link.parity]}.",
                f"Use baud={baud} and parity={parity}.",
            )
            self.add("Reply", "ok", f"Unit {link.unit} answers at these.")
            return
        self.add("Baud and parity", "unknown", "No baud and parity gives a reply.")
        if heard.damaged or unasked:
            self.add(
                "Reply",
                "bad",
                "Bytes arrive, but at no baud and parity do they make sense.",
                "A and B are probably swapped: exchange them at the adapter. Else look for a second master, and for "
                "missing bias resistors.",
            )
        else:
            self.add(
                "Reply",
                "bad",
                f"Nothing at all comes back from unit {link.unit} or from the addresses 1 to {FIRST_UNITS}.",
                "Check the power of the module, then exchange A and B at the adapter, then check the wire and the "
                "address.",
            )


def _histogram(latencies_s: Sequence[float]) -> str:
    """How many replies began within each class of times, those without any left out."""
    counts = [0] * (len(_CLASSES_MS) + 1)
    for latency_s in latencies_s:
        counts[bisect.bisect_left(_CLASSES_MS, latency_s * 1e3)] += 1
    words = [f"up to {ms} ms" for ms in _CLASSES_MS] + ["later"]
    return ", ".join(f"{word}: {count}" for word, count in zip(words, counts, strict=True) if count)


def _begin_right(heard: _Heard, unit: int) -> bool:
    """Whether there are replies, none of them intact, and most begin as the right one does."""
    begin_right = [data for data in heard.damaged if data.startswith(bytes([unit, 4, 2 * _COUNT]))]
    return len(begin_right) >= 2 and 2 * len(begin_right) > len(heard.damaged)


def _whole(heard: _Heard) -> bool:
    """Whether the replies have the length of a right one, or nearly."""
    return all(abs(len(data) - 5 - 2 * _COUNT) <= 2 for data in heard.damaged)


def _same_reply(heard: _Heard) -> bool:
    """Whether the same intact reply stands behind damaged ones: what most of them say at each place."""
    from device_io.modbus.client import intact

    size = 5 + 2 * _COUNT
    replies = [data for data in heard.damaged if len(data) == size]
    return intact(bytes(statistics.mode(octets) for octets in zip(*replies, strict=True)))
