"""All limits on file as a page of Markdown: `python -m resources.limits.tables > docs/limits.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from resources.limits.document import DOCUMENTS, load

INTRODUCTION = """# Limits

What measurements are held against, from the files in `resources/limits/`. None of it replaces the standards: obtain
them before you claim conformity. *Verified* means read in the source named; *from memory* means still to be checked;
*our choice* means that the standard leaves it open. Written by `python -m resources.limits.tables > docs/limits.md`.

A verdict is *pass*, *fail* or *not enough data*. The share of intervals beyond a limit is counted among those that
count: intervals with a dip, swell or interruption (flagged) and values that could not be measured are left out, and
their number is given. A pass needs most of the intervals; a fail comes as soon as more of them exceed than a whole day
or week could excuse.
"""

WORDS = {
    "minimum_coverage_pct": "at least {} % of the expected intervals there",
    "minimum_counted_pct": "at least {} % of them counted",
    "minimum_duration_s": "at least {} s",
    "below_pct": "below {} % of the reference voltage",
    "above_pct": "above {} % of the reference voltage",
    "residual_from_pct": "rows from {} %",
    "longer_than_s": "columns longer than {} s",
    "up_to_s": "up to {} s",
    "short_up_to_s": "short up to {} s",
    "from_v": "from {} V",
    "up_to_v": "up to {} V",
    "individual_pct": "each harmonic {} %",
    "thd_pct": "THD {} %",
    "tdd_pct": "TDD {} %",
    "isc_il_from": "Isc/IL from {}",
    "isc_il_above": "Isc/IL above {}",
    "limits_pct": "% by order: {}",
    "factors": "times, by order: {}",
    "limits_by_order": "by order: {}",
    "time_constant_s": "time constant {} s",
    "highest_pct_of_limit": "each smoothed value at most {} % of the limit",
    "below_pct_of_input_current": "below {} % of the input current",
    "below_a": "or {} A if that is more",
    "from_order": "odd orders from {}",
    "to_order": "to {}",
    "average_pct_of_limit": "average up to {} % of the limit if the partial odd harmonic current keeps its own",
    "factor_of_class_a": "{} times class A",
    "from_w": "from {} W",
    "above_w": "above {} W",
    "up_to_w": "up to {} W",
    "times_power_factor": "order {} times the power factor",
    "zero_for_cycles": "0 % for {} cycle",
    "points_s_pct": "{}",
}
"""How a number is told, by its name in the files."""

Row = tuple[str, str, str, str]


def markdown() -> str:
    """The page."""
    return "\n".join([INTRODUCTION, *(_section(load(name)) for name in DOCUMENTS)])


def _section(document: Mapping[str, Any]) -> str:
    lines = [f"## {document['name']}: {document['title']}", "", f"{document['edition']}. {document['note']}", ""]
    lines += ["| what | limit | status | source |", "|--|--|--|--|"]
    known: dict[str, int] = {}
    for what, limit, status, source in _rows(document):
        lines.append(f"| {what} | {limit} | {status} | {known.setdefault(source, len(known) + 1)} |")
    lines.append("")
    lines += [f"{number}. {source[0].upper()}{source[1:]}." for source, number in known.items()]
    return "\n".join(lines) + "\n"


def _rows(part: Mapping[str, Any], path: tuple[str, ...] = (), status: str = "", source: str = "") -> Iterator[Row]:
    """One for each object with numbers of its own."""
    status, source = part.get("status", status), part.get("source", source)
    what = ", ".join(path)
    if "over" in part:
        yield f"{what}, {_share(part['over'])}", f"{part['factor']} times the limit", status, source
        return
    own = {key: value for key, value in part.items() if key != "format" and _is_plain(value)}
    if own:
        text = ", ".join(WORDS[key].format(_text(value)) for key, value in own.items())
        yield what, f"{text} ({part['unit']})" if "unit" in part else text, status, source
    for key, value in part.items():
        if key == "requirements":
            for requirement in value:
                yield from _requirement_rows(requirement)
        elif key not in own and isinstance(value, dict | list):
            for item in [value] if isinstance(value, dict) else value:
                yield from _rows(item, (*path, key.replace("_", " ")), status, source)


def _requirement_rows(part: Mapping[str, Any]) -> Iterator[Row]:
    """One for each criterion, and one for its statistics where they have a source of their own."""
    what = part["quantity"] + "".join(f", {part[key]}" for key in ("network", "group") if key in part)
    unit = f"{part['unit']} of {part['relative_to']}" if "relative_to" in part else part["unit"]
    if "to_order" in part:
        what += f", to order {part['to_order']}"
    for criterion in part["criteria"]:
        over = criterion["over"]
        if "high_by_order" in criterion:
            limit = _by_order(criterion["high_by_order"])
        elif "low" in criterion:
            limit = f"{criterion['low']} to {criterion['high']}"
        else:
            limit = f"at most {criterion['high']}"
        share = _share(over)
        if "source" in over:
            yield f"{what}: statistics", share, over["status"], over["source"]
            yield what, f"{limit} {unit}".rstrip(), part["status"], part["source"]
        else:
            yield f"{what}; {share}", f"{limit} {unit}".rstrip(), part["status"], part["source"]


def _share(over: Mapping[str, Any]) -> str:
    return f"{over['window']} values, {over['fraction_pct']} % of a {over['period']}"


def _is_plain(value: object) -> bool:
    """A number, none, a list of such, or numbers by order."""
    if isinstance(value, dict):
        return all(key[0].isdigit() and _is_plain(item) and not isinstance(item, dict) for key, item in value.items())
    if isinstance(value, list):
        return all(_is_plain(item) for item in value) and not any(isinstance(item, dict) for item in value)
    return isinstance(value, int | float) or value is None


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return _by_order(value)
    if isinstance(value, list) and isinstance(value[0], list):
        return ", ".join(f"{residual} % at {duration} s" for duration, residual in value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "any" if value is None else str(value)


def _by_order(limits: Mapping[str, float]) -> str:
    return ", ".join(f"{order}: {limit}" for order, limit in limits.items())


if __name__ == "__main__":
    sys.stdout.write(markdown())
