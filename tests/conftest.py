"""What holds for every test: offscreen Qt, the bundled typeface, and no log line of WARNING or above."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from app.window.appearance import install_fonts, prepare_environment

prepare_environment()

# A deadline for an example would be a stopwatch.
settings.register_profile("sensix", deadline=None)
settings.load_profile("sensix")


@pytest.fixture(autouse=True)
def no_unexpected_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A warning in the log fails the test, unless the test took it out with `caplog.clear()`."""
    yield
    unexpected = [
        f"{record.name}: {record.getMessage()}"
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.WARNING
    ]
    assert not unexpected, f"unexpected log lines: {unexpected}"


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes what this user has: consent, backups, firmware that was begun."""
    if "SENSIX_DATA" not in os.environ:
        monkeypatch.setenv("SENSIX_DATA", str(tmp_path_factory.getbasetemp() / "data"))


@pytest.fixture(scope="session")
def qapp(qapp_args: list[str], qapp_cls: type, pytestconfig: pytest.Config, qapp):  # type: ignore[no-untyped-def]
    """The one application of the run, with the bundled typeface."""
    install_fonts()
    return qapp
