"""The rule that converts lifecycle states to the app state."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.adapters.rule import LIFECYCLES, app_state


@pytest.mark.parametrize("before", ["foreground", "background"])
@pytest.mark.parametrize("word", [word for word in LIFECYCLES if word != "inactive"])
def test_each_lifecycle_state_but_inactive_decides_the_app_state(word, before):
    assert app_state(word, before) == ("foreground" if word == "resumed" else "background")


@pytest.mark.parametrize("before", ["foreground", "background"])
def test_inactive_app_keeps_its_state(before):
    assert app_state("inactive", before) == before


@pytest.mark.parametrize("before", ["foreground", "background"])
def test_hidden_tray_app_keeps_its_state(before):
    assert app_state("hidden", before, hidden="foreground") == before


@pytest.mark.parametrize("word", ["paused", "detached"])
def test_paused_tray_app_is_in_the_background(word):
    assert app_state(word, "foreground", hidden="foreground") == "background"


@given(st.lists(st.sampled_from(LIFECYCLES)))
def test_last_lifecycle_state_other_than_inactive_decides_the_app_state(words):
    state = "foreground"
    for word in words:
        state = app_state(word, state)
    telling = [w for w in words if w != "inactive"]
    assert state == ("foreground" if not telling or telling[-1] == "resumed" else "background")


def test_unknown_lifecycle_state_is_refused():
    with pytest.raises(ValueError, match="resumed, inactive, hidden, paused, detached"):
        app_state("focused", "foreground")


def test_unknown_hidden_value_is_refused():
    with pytest.raises(ValueError, match='"background" or "foreground"'):
        app_state("hidden", "foreground", hidden="yes")
