"""Groups of single-phase modules that a person has formed; remembered from start to start."""

from __future__ import annotations

from dataclasses import dataclass

from app.preferences import Preferences

_KEY = "groups"


@dataclass(frozen=True)
class Group:
    """members: EUIs of the modules on L1, L2 and L3."""

    key: str
    name: str
    members: tuple[str, ...]


class Groups:
    """The groups, kept in the preferences."""

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences

    def all(self) -> tuple[Group, ...]:
        """All groups, the oldest first. What can't be understood is left out."""
        found = []
        for entry in self._preferences.get(_KEY, list, []):
            if not isinstance(entry, dict):
                continue
            name, members = entry.get("name"), entry.get("members")
            if isinstance(name, str) and isinstance(members, list) and all(isinstance(eui, str) for eui in members):
                found.append(Group(_key_of(tuple(members)), name, tuple(members)))
        return tuple(found)

    def get(self, key: str) -> Group | None:
        """One of them."""
        return next((group for group in self.all() if group.key == key), None)

    def add(self, name: str, members: tuple[str, ...]) -> Group:
        """Form a group; one of the same members is replaced."""
        group = Group(_key_of(members), name, members)
        kept = [other for other in self.all() if other.key != group.key]
        self._keep([*kept, group])
        return group

    def remove(self, key: str) -> None:
        """Take a group apart."""
        self._keep([group for group in self.all() if group.key != key])

    def _keep(self, groups: list[Group]) -> None:
        self._preferences.set(_KEY, [{"name": group.name, "members": list(group.members)} for group in groups])
        self._preferences.save()


def _key_of(members: tuple[str, ...]) -> str:
    return "group:" + ",".join(members)
