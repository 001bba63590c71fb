"""Versions and their order."""

from __future__ import annotations

import pytest

from firmware_images.versions import is_newer, parse_version

IN_ORDER = (
    "0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
    "1.0.0-rc.1", "1.0.0", "v1.0.0-3-gabc1234", "v1.0.0-12-gdef5678-dirty", "1.0.1", "1.2", "1.10.0", "2",
)  # fmt: skip


def test_versions_are_ordered() -> None:
    for n, older in enumerate(IN_ORDER):
        for newer in IN_ORDER[n + 1 :]:
            assert is_newer(newer, older), (newer, older)
            assert not is_newer(older, newer), (newer, older)


@pytest.mark.parametrize(("first", "second"), [("2.1", "v2.1.0"), ("1.0.0+a", "1.0.0+b"), ("1.0-dirty", "1.0.0")])
def test_alike(first: str, second: str) -> None:
    assert parse_version(first) == parse_version(second) is not None


@pytest.mark.parametrize("text", ["", "abc", "1.2.3.4.5", "1..2", "arduino-lib-builder", "١.٢", "1.0 beta", "9" * 80])
def test_no_version(text: str) -> None:
    assert parse_version(text) is None
    assert not is_newer(text, "1.0")
    assert not is_newer("1.0", text)
