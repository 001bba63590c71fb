"""What the tests of the WiFi link share: no keyring of whoever runs them, and no thread left behind."""

from __future__ import annotations

from collections.abc import Iterator

import keyring
import pytest
from keyring.backends.null import Keyring

from tests.fakes.leftovers import Holdings


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.core, "_keyring_backend", Keyring())
    monkeypatch.delenv("SENSIX_PASSWORD_FILE", raising=False)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    before = Holdings()
    yield
    before.check_threads()
