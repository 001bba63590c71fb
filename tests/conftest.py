"""What holds for every test: offscreen Qt, the bundled typeface, no log line of WARNING or above, and chance that is
the same in every run but for long campaigns, which search anew each time."""

from __future__ import annotations

import logging
import os
import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ESPTOOL_CFGFILE", str(Path(__file__).parent / "fakes" / "esptool.cfg"))

from app.window.appearance import install_fonts, prepare_environment

prepare_environment()

# A deadline for an example would be a stopwatch. The same examples in every run: a failure comes of what was changed.
settings.register_profile("sample", deadline=None, derandomize=True)
settings.register_profile("campaign", deadline=None)
# Newer versions try the constants of all modules as well, and which are there depends on the tests before.
if hasattr(providers, "_get_local_constants"):
    providers._get_local_constants = lambda: providers._local_constants


def pytest_configure(config: pytest.Config) -> None:
    """Long campaigns are chosen by `-m soak`."""
    settings.load_profile("campaign" if _is_campaign(config) else "sample")


@pytest.fixture(autouse=True)
def same_chance(request: pytest.FixtureRequest) -> None:
    """`random` begins with the test's name, but for long campaigns."""
    random.seed(None if _is_campaign(request.config) else zlib.crc32(request.node.nodeid.encode()))


def _is_campaign(config: pytest.Config) -> bool:
    return config.getoption("markexpr") == "soak"


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
    """No test reads or writes what this user or another test has: consent, backups, questions to a map."""
    if "SENSIX_DATA" not in os.environ:
        monkeypatch.setenv("SENSIX_DATA", str(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="session")
def qapp(qapp_args: list[str], qapp_cls: type, pytestconfig: pytest.Config, qapp):  # type: ignore[no-untyped-def]
    """The one application of the run, with the bundled typeface."""
    install_fonts()
    return qapp
