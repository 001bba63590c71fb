"""Where the state of the community upload is kept."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "sensix"


def data_folder() -> Path:
    """The user's data folder of this application; SENSIX_DATA names another. It need not exist yet."""
    asked = os.environ.get("SENSIX_DATA")
    if asked:
        return Path(asked)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Sensix"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "Sensix"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / NAME


def private_folder(folder: Path) -> Path:
    """Make the folder, readable by its owner alone. OSError if that fails."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
