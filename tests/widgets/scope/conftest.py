"""An oscilloscope on the screen, with a source that tests move on."""

from __future__ import annotations

import pytest

from tests.fakes.scope_signals import SyntheticSource
from widgets.scope import ScopeView


@pytest.fixture
def source():
    return SyntheticSource(now_s=20.0)


@pytest.fixture
def scope(qtbot, source):
    view = ScopeView()
    qtbot.addWidget(view)
    view.set_compact(False)
    view.resize(880, 420)
    view.set_source(source)
    view.set_nominal(230.0, 50.0)
    view.show()
    qtbot.waitExposed(view)
    view.pause()
    view.refresh(force=True)
    view.refresh_text()
    return view
