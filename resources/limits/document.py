"""The files of limits: JSON documents in which every number has a status and a source.

`status` and `source` stand in the object that holds a number or in one around it; the nearest counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal

Status = Literal["verified", "from memory", "our choice"]
"""verified: read in the source named. from memory: to be checked. our choice: the standard leaves it open."""

DOCUMENTS = ("en50160-lv", "iec61000-2-2-lv", "ieee519-2022", "iec61000-3-2", "itic", "semi-f47")
FORMAT = 2


@cache
def load(name: str) -> dict[str, Any]:
    """The document of a name of `DOCUMENTS`; not to be changed. ValueError for another name."""
    if name not in DOCUMENTS:
        raise ValueError(f'There is no limit table "{name}"; choose one of {", ".join(DOCUMENTS)}.')
    document: dict[str, Any] = json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
    if document["format"] != FORMAT:
        raise ValueError(f"The limit table {name} has format {document['format']}; this version reads {FORMAT}.")
    return document


def worst_status(part: Any) -> Status:
    """ "verified" if all numbers of a part of a document are, else what holds for the least certain of them."""
    found = {status for *_, status, _ in numbers(part)}
    if "from memory" in found or not found:
        return "from memory"
    return "our choice" if "our choice" in found else "verified"


def sources(part: Any) -> str:
    """The sources of a part of a document, each once, parted by semicolons."""
    return "; ".join(dict.fromkeys(name for *_, source in numbers(part) for name in source.split("; ")))


Number = tuple[tuple[str, ...], float, Status, str]


def numbers(part: Any, path: tuple[str, ...] = (), status: Status | None = None, source: str = "") -> Iterator[Number]:
    """(path, number, status, source) of each number under a part. KeyError where one has no status or source."""
    if isinstance(part, dict):
        status, source = part.get("status", status), part.get("source", source)
        for key, value in part.items():
            yield from numbers(value, (*path, key), status, source)
    elif isinstance(part, list):
        for index, value in enumerate(part):
            yield from numbers(value, (*path, str(index)), status, source)
    elif isinstance(part, int | float) and not isinstance(part, bool) and path[-1:] != ("format",):
        if status is None or not source:
            raise KeyError(f"{'.'.join(path)} has no status or source")
        yield path, float(part), status, source
