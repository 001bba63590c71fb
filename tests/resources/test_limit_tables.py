"""The page of limits says what is on file, all of it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from resources.limits import tables
from resources.limits.document import DOCUMENTS, load, numbers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "limits.md"


def section(name: str) -> str:
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")
    return next(part for part in parts if part.startswith(f"{load(name)['name']}: "))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == tables.markdown(), (
        "run `python -m resources.limits.tables > docs/limits.md`"
    )


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_number_stands_on_the_page_with_its_status_and_source(name: str) -> None:
    text = section(name)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for path, number, status, source in numbers(load(name)):
        written = {str(number), f"{number:g}", f"{int(number)}" if number == int(number) else ""} - {""}
        order = f"{path[-1]}: " if path[-1][0].isdigit() and path[-2] in ("high_by_order", "limits_by_order") else ""
        assert any(f"| {status} |" in row and any(f" {order}{value}" in row for value in written) for row in rows), path
        assert source.lower() in text.lower(), path


def test_a_changed_number_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {name: copy.deepcopy(load(name)) for name in DOCUMENTS}
    changed["itic"]["lower"]["points_s_pct"][3][1] = 71
    monkeypatch.setattr(tables, "load", lambda name: changed[name])
    assert tables.markdown() != PAGE.read_text(encoding="utf-8")
