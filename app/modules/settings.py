"""Reading and writing the settings of a module, over the link in use or its best one. It waits: not for the thread of
the window."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from app.modules.settings_change import JOB_S, Changed, History, confirm, cuts, problems, write
from device_io.discovery.module_list import KnownModule, Presence
from device_io.first_contact import FirstContact
from device_io.links import Prompt, open_link
from device_io.source import LinkError, LinkErrorKind, ModuleLink, Setting

OPEN_S = 12.0
_SILENT = "The module did not answer in time. Try again."
Result = TypeVar("Result")


class Target(NamedTuple):
    """The link in use and the module behind it."""

    url: str
    eui: str
    link: ModuleLink


class ModuleSettings:
    """used: tells the link in use, None where nothing is connected. prompt: asks for a broker's password."""

    def __init__(self, history: History, used: Callable[[], Target | None], prompt: Prompt | None = None) -> None:
        self._history = history
        self._used = used
        self._prompt = prompt

    def used_url(self, module: KnownModule) -> str | None:
        """The URL in use, if it is this module's."""
        used = self._used()
        return used.url if used is not None and used.eui == module.eui else None

    def url_for(self, module: KnownModule) -> str | None:
        """The link over which its settings go."""
        used = self.used_url(module)
        if used is not None:
            return used
        return next((link.url for link in module.links if link.presence is not Presence.LOST), None)

    def problems(self, module: KnownModule, changes: Mapping[str, Setting]) -> dict[str, str]:
        """{key: sentence} of what can't be written; "" for the change as a whole."""
        found = problems(changes)
        url = self.url_for(module)
        cut = cuts(changes, url, module.links) if url is not None and not found else None
        return {**found, "": cut} if cut else found

    def read(self, module: KnownModule) -> Mapping[str, Setting]:
        """All settings. :raises LinkError:"""
        return self._with_link(module, lambda link: link.read_settings().result(JOB_S))

    def write(self, module: KnownModule, before: Mapping[str, Setting], changes: Mapping[str, Setting]) -> Changed:
        """Write, read back, compare, note in the history. :raises LinkError:"""
        url = self.url_for(module) or ""
        try:
            changed = self._with_link(module, lambda link: write(link, changes))
        except LinkError as error:
            self._note(module, url, before, changes, f"failed: {error}")
            raise
        outcome = "to be confirmed" if changed.confirm_s else "written"
        return replace(changed, remark=self._note(module, url, before, changes, outcome))

    def confirm(self, module: KnownModule) -> None:
        """Make the last change stand. :raises LinkError:"""
        self._with_link(module, confirm)
        self._note(module, self.url_for(module) or "", {}, {}, "confirmed")

    def _note(
        self,
        module: KnownModule,
        url: str,
        before: Mapping[str, Setting],
        changes: Mapping[str, Setting],
        outcome: str,
    ) -> str:
        """Note it in the history; one sentence where that fails: the change itself has happened all the same."""
        try:
            self._history.note(module.eui, url, before, changes, outcome)
        except OSError as error:
            return f"The history of changes can't be written: {error.strerror or error}."
        return ""

    def _with_link(self, module: KnownModule, work: Callable[[ModuleLink], Result]) -> Result:
        used = self._used()
        try:
            if used is not None and used.eui == module.eui:
                return work(used.link)
            url = self.url_for(module)
            if url is None:
                raise LinkError(LinkErrorKind.SILENT, "The module is not reached over any link now. Connect it again.")
            link, contact = open_link(url, reconnect=False, prompt=self._prompt), FirstContact()
            link.start(contact)
            try:
                contact.wait(OPEN_S)
                if contact.info is None:
                    raise contact.failed or LinkError(LinkErrorKind.SILENT, _SILENT)
                return work(link)
            finally:
                link.stop()
        except TimeoutError:
            raise LinkError(LinkErrorKind.SILENT, _SILENT) from None
