"""Frequency responses of known front ends, for modules that do not state their own.

`front_ends.json` holds them, each section with its status ("verified": read in the source named, "from memory": to be
checked) and its source.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 1


class FrontEndSection(NamedTuple):
    """One section of a response, with x = f / corner_hz; kinds as in `dsp.response.Section`."""

    kind: str
    corner_hz: float
    q: float
    delay_us: float
    status: str
    source: str


@cache
def default_response(chip: str = "ADE9153A") -> tuple[FrontEndSection, ...]:
    """Sections whose product is the response of a chip with its settings after a reset. ValueError for a chip that is
    not on file."""
    text = Path(__file__).with_name("front_ends.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    if document["format"] != FORMAT:
        raise ValueError(f"The table of front ends has format {document['format']}; this version reads {FORMAT}.")
    known = document["front_ends"]
    if chip not in known:
        raise ValueError(f'There is no front end "{chip}"; choose one of {", ".join(known)}.')
    return tuple(
        FrontEndSection(
            part["kind"],
            part.get("corner_hz", 0.0),
            part.get("q", 0.0),
            part.get("delay_us", 0.0),
            part["status"],
            part["source"],
        )
        for part in known[chip]["sections"]
    )
