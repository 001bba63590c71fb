"""Where the virtual modules of this computer are: each writes a small file while it runs.

Their ports have no USB id by which a search could find them.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path


def registry_folder() -> Path:
    """The folder of those files: of this user alone."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    name = os.environ.get("USERNAME") or str(getattr(os, "getuid", lambda: 0)())
    return Path(base) / f"sensix-virtual-{name}"


@contextlib.contextmanager
def announced(urls: Sequence[str], folder: Path | None = None) -> Iterator[None]:
    """Announce a virtual module with these URLs as long as the context lasts. Without the right to write: silently
    not at all."""
    path = (folder or registry_folder()) / f"{os.getpid()}.json"
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(json.dumps(list(urls)), encoding="utf-8")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def virtual_urls(folder: Path | None = None) -> list[str]:
    """URLs of the virtual modules that run. Files of processes that are gone are removed."""
    urls: list[str] = []
    for path in sorted((folder or registry_folder()).glob("*.json")):
        try:
            if not _is_ours(path):
                continue
            if not _runs(int(path.stem)):
                path.unlink()
                continue
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(found, list):
            urls += [url for url in found if isinstance(url, str)]
    return urls


def _is_ours(path: Path) -> bool:
    """Whether this user wrote it: the folder of temporary files is open to all."""
    uid = getattr(os, "getuid", None)
    return uid is None or path.stat().st_uid == uid()


def _runs(pid: int) -> bool:
    if os.name == "nt":  # no signal 0 there: os.kill would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
