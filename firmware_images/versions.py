"""Versions as firmware writes them: semantic versions (semver.org, 2.0.0), with some tolerance."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_LONGEST = 64
_PATTERN = re.compile(
    r"[vV]?(?P<numbers>\d{1,9}(?:\.\d{1,9}){0,3})"
    r"(?:-(?P<commits>\d{1,9})-g[0-9a-f]{4,40})?"
    r"(?:-(?P<pre>(?!dirty$)[0-9A-Za-z.-]+?))?"
    r"(?P<dirty>-dirty)?"
    r"(?:\+[0-9A-Za-z.-]*)?"
)


@total_ordering
@dataclass(frozen=True)
class Version:
    """A version that can be compared. numbers: 4, missing ones 0. pre: () for a release. commits: since the tag.

    2.1.0-rc.1 < 2.1.0 < 2.1.0-3-gabc1234 (3 commits after 2.1.0) < 2.1.1. What follows "+" does not count, nor "dirty".
    """

    numbers: tuple[int, ...]
    pre: tuple[str, ...] = ()
    commits: int = 0

    def _key(self) -> tuple[object, ...]:
        # Numbers below words, both below the release itself (semver 11.4).
        pre = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.pre)
        return (self.numbers, not self.pre, pre, self.commits)

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()


def parse_version(text: str) -> Version | None:
    """The version that a text gives ("2.1.0", "v2.1", "2.1.0-rc.1+7", "v2.1.0-5-gabc1234-dirty"), or None."""
    found = _PATTERN.fullmatch(text.strip()) if text.isascii() and len(text) <= _LONGEST else None
    if found is None:
        return None
    numbers = tuple(int(part) for part in found["numbers"].split("."))
    pre = tuple(found["pre"].split(".")) if found["pre"] else ()
    return Version((*numbers, 0, 0, 0)[:4], pre, int(found["commits"] or 0))


def is_newer(version: str, than: str) -> bool:
    """True when both are versions and the first is newer."""
    first, second = parse_version(version), parse_version(than)
    return first is not None and second is not None and second < first
