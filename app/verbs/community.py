"""community: see what would be shared, share it, look at the map, withdraw."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.ask_password import ask_password
from app.community.anonymise import CHOICES, VIRTUAL, anonymise, why_left_out
from app.community.broker import Broker, BrokerError, parse_broker, password_of
from app.community.consent import Choices, ConsentError, text
from app.community.map_answers import MapError
from app.community.message import MessageError
from app.community.outbox import LATE_S, Outbox, OutboxError
from app.community.rest import RANGES, MapClient
from app.community.sender import Sender, SenderPhase, SenderState
from app.community.sent_log import USUAL_LIMITS
from app.community.service import Community, Preview, consent_once, iso
from app.data_folder import data_folder
from app.output import Output, Refused, WrongUsage
from app.readings_means import TOO_FEW, WHY, MeanOfReadings
from app.verbs.community_state import MAP_URL, show_map, show_status, withdraw, write_log
from dsp.measurement import Measurement
from resources.geohash import PositionError, cell_of

_NO_BROKER = "mqtts://broker.invalid"
_PREVIEW_S = 2.0
_HOW_TO_TRUST = "Give the map's address with --map, or that of another server whose time you trust with --time-from."
_LOOK_EVERY_S = 5.0
_SOUTHERN = re.compile(r"-[\d.]")


class _Parser(argparse.ArgumentParser):
    """Takes a position south of the equator for what it is, though it begins with a minus as an option does."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of ArgumentParser."""
        words: list[str] = []
        for word in args or ():
            if words and words[-1] == "--position" and _SOUTHERN.match(word):
                words[-1] += f"={word}"
            else:
                words.append(word)
        return super().parse_known_args(words, namespace)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=_Parser)

    preview = actions.add_parser("preview", help="show the exact bytes of the next message; sends nothing")
    _add_source(preview)
    preview.add_argument(
        "--seconds", type=float, default=_PREVIEW_S, help="how long a module is measured for it (default: 2)"
    )

    send = actions.add_parser("send", help="send the 10-minute values of a source and wait for every acknowledgement")
    _add_source(send)
    send.add_argument("--broker", required=True, metavar="URL", help="mqtts://[user@]host[:port][?ca=FILE&cert=&key=]")
    send.add_argument("--ca", action="append", type=Path, default=[], help="certificate of an authority to trust")
    send.add_argument("--cert", type=Path, help="own certificate, with --key")
    send.add_argument("--key", type=Path, help="key of the own certificate")
    send.add_argument("--consent", action="store_true", help="I have read what is sent and agree to this sending")
    send.add_argument("--count", type=int, default=1, help="how many intervals of a module to send (default: 1)")
    send.add_argument("--patience", type=float, default=60.0, help="seconds without progress to give up (default: 60)")
    _add_map(send)
    send.add_argument("--time-from", metavar="URL", help="server whose HTTP Date is trusted (default: the map)")

    actions.add_parser("status", help="consent, what waits, what was sent")

    look = actions.add_parser("map", help="the cells of the map, or one of them")
    look.add_argument("cell", nargs="?", metavar="CELL", help="geohash of a cell; what is finer is not asked for")
    look.add_argument("--range", type=int, choices=tuple(RANGES), default=3, help="hours (default: 3)")
    look.add_argument("--ca", action="append", type=Path, default=[], help="certificate of an authority to trust")
    _add_map(look)

    actions.add_parser("withdraw", help="withdraw consent and delete what waits")

    log = actions.add_parser("log", help="write what was sent to a file, or say how much of it is kept")
    log.add_argument("--out", type=Path, metavar="FILE", help="file to write, JSON lines")
    log.add_argument("--keep-days", type=int, metavar="N", help=f"keep it so long (usual: {USUAL_LIMITS.days})")
    log.add_argument("--keep-mb", type=int, metavar="N", help=f"keep so many million bytes (usual: {USUAL_LIMITS.mb})")

    for action in actions.choices.values():  # --json may stand anywhere after the verb
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(args: argparse.Namespace, output: Output) -> int:
    """Do the action."""
    community = Community(data_folder())
    actions: dict[str, Callable[[Community, argparse.Namespace, Output], None]] = {
        "preview": _preview,
        "send": _send,
        "status": show_status,
        "map": show_map,
        "withdraw": withdraw,
        "log": write_log,
    }
    try:
        actions[args.action](community, args, output)
    except (OutboxError, ConsentError, MapError) as wrong:
        raise Refused(str(wrong)) from None
    except BrokerError as wrong:
        raise WrongUsage(str(wrong)) from None
    return 0


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="usb:, rs485: or mqtts: URL of a module, or a COMTRADE file")
    parser.add_argument("--position", required=True, help="LAT,LON or a geohash; only its cell of some 20 km is kept")
    parser.add_argument(
        "--share", default="", metavar="LIST", help=f"also share: {', '.join(CHOICES)}, parted by commas"
    )
    parser.add_argument("--accepts-backdated", action="store_true", help="the broker takes intervals of the past")
    parser.add_argument(
        "--channels", metavar="V1=NAME,...", help="of a file: which channel is V1, V2, V3, I1, I2, I3 or IN"
    )


def _add_map(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--map", dest="map_url", default=os.environ.get(MAP_URL, ""), metavar="URL", help=f"the map (or {MAP_URL})"
    )


def _choices(args: argparse.Namespace, broker: str) -> Choices:
    share = tuple(part.strip() for part in args.share.split(",") if part.strip())
    unknown = [part for part in share if part not in CHOICES]
    if unknown:
        raise WrongUsage(f'"{unknown[0]}" is nothing that can be shared; choose of {", ".join(CHOICES)}.')
    try:
        cell = cell_of(args.position)
    except PositionError as wrong:
        raise WrongUsage(str(wrong)) from None
    return Choices(cell, broker, share, args.accepts_backdated)


def _mapping(args: argparse.Namespace) -> dict[str, str] | None:
    """Which channels of a file are meant, None for those that are recognised."""
    from app.community.feed import is_url
    from app.verbs.analyze import parse_channels

    if args.channels is None:
        return None
    if is_url(args.source):
        raise WrongUsage("--channels is for a COMTRADE file; a module knows its channels.")
    return parse_channels(args.channels)


def _preview(community: Community, args: argparse.Namespace, output: Output) -> None:
    choices = _choices(args, _NO_BROKER)
    if not 0.5 <= args.seconds <= 600.0:
        raise WrongUsage("--seconds needs a number from 0.5 to 600.")
    mapping = _mapping(args)
    preview: Preview | None = None
    for measurement in _measured(args.source, mapping, args.seconds, output):
        candidate = community.preview(measurement, choices)
        if isinstance(measurement, MeanOfReadings):
            candidate = replace(candidate, basis=WHY)
        if preview is None or not preview.sendable:
            preview = candidate
        if preview.sendable:
            break
    if output.stop.is_set():
        return
    if preview is None:
        raise Refused("Nothing was measured that could be shown; check the source and try again.")
    output.note(f"Topic: {preview.topic}")
    if preview.sendable:
        output.note("This is the next message, byte for byte; nothing was sent.")
    else:
        output.note(f"Not sendable yet, the message so far. {preview.reason}")
    if preview.basis:
        output.note(preview.basis)
    body = preview.payload.decode("utf-8")
    fields = {
        "topic": preview.topic,
        "payload": body,
        "bytes": len(preview.payload),
        "interval_end": iso(preview.end_s),
        "sendable": preview.sendable,
        "reason": preview.reason,
        "basis": preview.basis,
    }
    output.result(fields, body)


def _measured(source: str, mapping: dict[str, str] | None, seconds: float, output: Output) -> Iterator[Measurement]:
    """The intervals of a file, or what a module gives in so many seconds."""
    from app.community.feed import LiveFeed, is_url, measurements_of_file

    if not is_url(source):
        yield from measurements_of_file(Path(source), output.stop.is_set, mapping)
        return
    with LiveFeed(source, output.stop.is_set, output.note) as feed:
        deadline_s = time.monotonic() + 20.0
        while (whole := feed.next(seconds)) is None and not feed.is_measuring and time.monotonic() < deadline_s:
            if output.stop.is_set():
                return
        rest = whole or feed.so_far()
    if rest is not None:
        yield rest


def _send(community: Community, args: argparse.Namespace, output: Output) -> None:
    if args.count < 1:
        raise WrongUsage("--count needs a whole number from 1.")
    if not args.patience > 0:
        raise WrongUsage("--patience needs a number of seconds above 0.")
    choices = _choices(args, args.broker)
    mapping = _mapping(args)
    broker = _broker(args)
    if not args.consent:
        for section in text(choices):
            output.note(f"{section.title}\n  {section.body}\n")
        raise Refused("Nothing is sent without consent: read the text above, then add --consent if you agree.")
    time_url = args.time_from or args.map_url
    source = MapClient(time_url, ca=args.ca) if time_url else None
    broker.context()
    password = password_of(broker, ask_password)
    community.finish_withdrawing()
    community.give_once()
    with Outbox(community.folder) as outbox:
        tally = _collect(outbox, choices, broker, mapping, args, output)
        _explain(tally, choices, output)
        known = outbox.counts().sent
        _send_all(community, broker, password, source, args.patience, output)
        if output.stop.is_set():
            output.note("Stopped; what is not acknowledged waits in the outbox.")
        counts = outbox.counts()
    sent = counts.sent - known
    result = {
        "sent": sent,
        "already_known": tally["known"],
        "left_out": tally["left_out"],
        "late": counts.late,
        "waiting": counts.waiting,
    }
    output.result(result, f"{sent} sent and acknowledged, {counts.waiting + counts.late} waiting.")
    if not output.stop.is_set() and not sent and not tally["known"]:
        raise Refused(
            "Nothing was sent: the intervals are older than 10 minutes; --accepts-backdated is for a broker that takes "
            "them."
            if tally["new"]
            else "Nothing was sent: the source has no whole 10 minutes without a flag."
        )


def _collect(
    outbox: Outbox,
    choices: Choices,
    broker: Broker,
    mapping: dict[str, str] | None,
    args: argparse.Namespace,
    output: Output,
) -> dict[str, Any]:
    """Put the source's intervals into the outbox."""
    tally: dict[str, Any] = {"new": 0, "known": 0, "left_out": 0, "reasons": set()}
    for measurement in _intervals(args.source, mapping, args.count, broker, output):
        reason = why_left_out(measurement)
        if reason is None:
            try:
                is_new = outbox.put(anonymise(measurement, choices.share), choices.cell, consent_once(choices.broker))
                tally["new" if is_new else "known"] += 1
                continue
            except MessageError as wrong:
                reason = str(wrong)
        if isinstance(measurement, MeanOfReadings) and "short" in measurement.flags:
            reason = TOO_FEW
        tally["left_out"] += 1
        tally["reasons"].add(reason)
    return tally


def _intervals(
    source: str, mapping: dict[str, str] | None, count: int, broker: Broker, output: Output
) -> Iterator[Measurement]:
    """The intervals of a file; of a module, until `count` of them can be sent."""
    from app.community.feed import LiveFeed, is_url, measurements_of_file

    if not is_url(source):
        yield from measurements_of_file(Path(source), output.stop.is_set, mapping)
        return
    output.note("Waiting for a whole 10 minutes of the clock; that takes up to 20 minutes.")
    with LiveFeed(source, output.stop.is_set, output.note) as feed:
        while count and not output.stop.is_set():
            measurement = feed.next(_LOOK_EVERY_S)
            if feed.is_virtual and not broker.is_loopback:
                raise Refused(VIRTUAL)
            if measurement is not None:
                count -= why_left_out(measurement) is None
                yield measurement


def _explain(tally: dict[str, Any], choices: Choices, output: Output) -> None:
    if tally["left_out"]:
        output.note(f"{tally['left_out']} left out. {' '.join(sorted(tally['reasons']))}")
    if tally["known"]:
        output.note(f"{tally['known']} known already; nothing is sent twice.")
    if not choices.accepts_backdated:
        output.note(f"Intervals older than {LATE_S // 60} minutes are kept but not shared: too late for this broker.")


def _send_all(
    community: Community,
    broker: Broker,
    password: str | None,
    source: MapClient | None,
    patience_s: float,
    output: Output,
) -> None:
    """Empty the outbox; Refused when that can't be done."""
    told: set[str] = set()

    def tell(state: SenderState) -> None:
        if state.phase is SenderPhase.WAITING and state.error and state.error not in told:
            told.add(state.error)
            output.note(f"{state.error} Trying again.")

    sender = Sender(
        community.folder,
        broker,
        password,
        source,
        until_empty=True,
        patience_s=patience_s,
        how_to_trust=_HOW_TO_TRUST,
        consent=consent_once(broker.url.text),
        on_state=tell,
    )
    sender.start()
    while not sender.wait(0.1):
        if output.stop.is_set():
            sender.stop()
            return
    if sender.state.phase is SenderPhase.FAILED:
        raise Refused(f"{sender.state.error} What was not acknowledged waits in the outbox; send again to go on.")


def _broker(args: argparse.Namespace) -> Broker:
    if (args.cert is None) != (args.key is None):
        raise WrongUsage("A client's certificate needs both --cert and --key.")
    broker = parse_broker(args.broker, ca=args.ca, accepts_backdated=args.accepts_backdated)
    if args.cert is None:
        return broker
    return replace(broker, url=replace(broker.url, cert=str(args.cert), key=str(args.key)))
