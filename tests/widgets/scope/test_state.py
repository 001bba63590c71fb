"""Settings that were kept come back; whatever else stands there does no harm."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from widgets.scope.state import scope_state, settings_from
from widgets.scope.trigger import TriggerSettings

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["time_per_division_s", "per_division", "trigger", "hidden", "cursors_s", "cursors_shown"]


def test_what_was_kept_comes_back():
    trigger = TriggerSettings("I2", False, -3.5, True)
    state = scope_state(0.02, {"V": None, "A": 5.0}, trigger, {"V2"}, {"A": 0.001, "B": 0.02}, False)
    kept = settings_from(json.loads(json.dumps(state)))
    assert kept.time_per_division_s == 0.02
    assert kept.per_division == {"V": None, "A": 5.0}
    assert kept.trigger == trigger
    assert kept.hidden == {"V2"}
    assert kept.cursors == {"A": 0.001, "B": 0.02}
    assert kept.cursors_shown is False


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_garbage_is_left_out(state):
    kept = settings_from(state)
    assert kept.time_per_division_s is None or 2e-3 <= kept.time_per_division_s <= 10.0
    assert kept.trigger is None or isinstance(kept.trigger.channel, str)
