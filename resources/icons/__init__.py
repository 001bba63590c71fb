"""Icons: own drawings in a 20 x 20 box, stroke 1.6, one colour ("currentColor")."""

from __future__ import annotations

from pathlib import Path


def _folder() -> Path:
    return Path(__file__).parent


def svg(name: str) -> str:
    """Source of an icon, such as "live". KeyError for an unknown name."""
    file = _folder().joinpath(f"{name}.svg")
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise KeyError(name) from None


def names() -> tuple[str, ...]:
    """Names of all icons."""
    return tuple(sorted(file.name[:-4] for file in _folder().iterdir() if file.name.endswith(".svg")))
