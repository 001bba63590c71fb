"""What the verb community tells of sharing and of the map: status, log, cells; and the end of consent."""

from __future__ import annotations

import argparse
from typing import Any

from app.community.asking import Asking
from app.community.broker import parse_broker
from app.community.consent import VERSION
from app.community.rest import MapClient
from app.community.sent_log import LogLimits
from app.community.service import Community, Status, iso
from app.output import Output, Refused, WrongUsage

MAP_URL = "SENSIX_MAP_URL"
"""Names a map in the environment."""


def show_status(community: Community, _args: argparse.Namespace, output: Output) -> None:
    """What stands, what waits, what was sent."""
    status = community.status()
    given, counts = status.given, status.counts
    last = None if counts.last_sent_s is None else iso(counts.last_sent_s)
    consent = None
    if given is not None:
        broker = parse_broker(given.choices.broker)
        consent = {
            "given": given.at,
            "version": given.version,
            "cell": given.choices.cell,
            "share": list(given.choices.share),
            "broker": broker.address,
        }
    fields = {
        "consent": consent,
        "consent_text": VERSION,
        "consent_outdated": community.is_outdated,
        "waiting": counts.waiting,
        "late": counts.late,
        "sent": counts.sent,
        "dropped": counts.dropped,
        "last_sent": last,
        "folder": str(community.folder),
    }
    log_fields, log_words = _log_kept(status)
    fields |= log_fields
    words = [
        f"Consent: given {given.at} for cell {given.choices.cell}." if given else _no_consent(community),
        f"Waiting: {counts.waiting}. Not shared, too late: {counts.late}. Sent: {counts.sent}.",
    ]
    if counts.dropped:
        words.append(f"Given up, for want of room or made by a wrong clock: {counts.dropped}.")
    if last:
        words.append(f"Last sent: {last}.")
    words.append(log_words)
    output.result(fields, "\n".join(words))


def _no_consent(community: Community) -> str:
    if community.is_outdated:
        return "Consent: given to another text than the present one; nothing is sent until it is given again."
    return "Consent: none; nothing is sent."


def _log_kept(status: Status) -> tuple[dict[str, Any], str]:
    """What the log has, as fields and in words."""
    counts, log = status.counts, status.log
    kept = counts.sent - counts.forgotten
    fields = {
        "log": kept,
        "log_bytes": counts.log_bytes,
        "log_forgotten": counts.forgotten,
        "log_days": log.days,
        "log_mb": log.mb,
    }
    words = f"Log: {kept} messages, {counts.log_bytes} bytes; kept for {log.days} days and up to {log.mb} MB."
    return fields, words + (f" No longer kept: {counts.forgotten}." if counts.forgotten else "")


def show_map(community: Community, args: argparse.Namespace, output: Output) -> None:
    """The cells of the map, or one of them."""
    if not args.map_url:
        raise WrongUsage(f"No map is named; give its address with --map or {MAP_URL}.")
    client = MapClient(args.map_url, ca=args.ca, asking=Asking(community.folder))
    if args.cell is None:
        found = client.cells(args.range)
        for cell in found.cells:
            output.result({"cell": cell.geohash, "status": cell.status}, f"{cell.geohash}  {cell.status or 'none'}")
        output.note(f"{len(found.cells)} cells{'' if found.complete else '; there are more than may be asked for'}.")
        return
    detail = client.detail(args.cell, args.range)
    fields = {
        "cell": detail.geohash,
        "status": detail.status,
        "metrics": {metric.key: metric.value for metric in detail.metrics},
        "harmonics": [harmonic._asdict() for harmonic in detail.harmonics],
        "text": detail.text,
    }
    lines = [f"{detail.geohash}  {detail.status or 'no status'}"]
    lines += [
        f"  {metric.name}: {'n/a' if metric.value is None else f'{metric.value:g} {metric.unit}'}"
        for metric in detail.metrics
    ]
    output.result(fields, "\n".join(lines))


def withdraw(community: Community, _args: argparse.Namespace, output: Output) -> None:
    """End of consent."""
    gone = community.withdraw()
    output.result({"withdrawn": True, "deleted": gone}, f"Consent is withdrawn; {gone} unsent messages were deleted.")


def write_log(community: Community, args: argparse.Namespace, output: Output) -> None:
    """What was sent, into a file; how much of it is kept."""
    if args.keep_days is not None or args.keep_mb is not None:
        known = community.status().log
        try:
            community.keep_log(
                LogLimits(
                    known.days if args.keep_days is None else args.keep_days,
                    known.mb if args.keep_mb is None else args.keep_mb,
                )
            )
        except ValueError as wrong:
            raise WrongUsage(str(wrong)) from None
    if args.out is None:
        if args.keep_days is None and args.keep_mb is None:
            raise WrongUsage(
                "Say where to write the log (--out FILE), or how much of it to keep (--keep-days, --keep-mb)."
            )
        fields, words = _log_kept(community.status())
        output.result(fields, words)
        return
    try:
        count = community.export_log(args.out)
    except OSError as error:
        raise Refused(f"{args.out} can't be written ({error.strerror or error}); choose another file.") from None
    output.result({"written": count, "file": str(args.out)}, f"{count} messages written to {args.out}.")
