"""What a framework says of an app, and what it means for the connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.adapters.rule import LIFECYCLES, app_state


@pytest.mark.parametrize("before", ["foreground", "background"])
@pytest.mark.parametrize(
    ("word", "after"),
    [("resumed", "foreground"), ("hidden", "background"), ("paused", "background"), ("detached", "background")],
)
def test_each_word_means_one_state(word, after, before):
    assert app_state(word, before) == after


@pytest.mark.parametrize("before", ["foreground", "background"])
def test_lost_focus_changes_nothing(before):
    assert app_state("inactive", before) == before


@pytest.mark.parametrize("before", ["foreground", "background"])
def test_an_app_that_lives_in_the_tray_stays_what_it_was_when_it_is_hidden(before):
    assert app_state("hidden", before, hidden="foreground") == before


@pytest.mark.parametrize("word", ["paused", "detached"])
def test_a_stopped_app_is_in_the_background_also_when_it_lives_in_the_tray(word):
    assert app_state(word, "foreground", hidden="foreground") == "background"


@given(st.lists(st.sampled_from(LIFECYCLES)))
def test_the_last_word_that_says_anything_decides(words):
    state = "foreground"
    for word in words:
        state = app_state(word, state)
    telling = [w for w in words if w != "inactive"]
    assert state == ("foreground" if not telling or telling[-1] == "resumed" else "background")


def test_an_unknown_word_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="resumed, inactive, hidden, paused, detached"):
        app_state("focused", "foreground")


def test_an_unknown_meaning_of_hidden_is_refused():
    with pytest.raises(ValueError, match='"background" or "foreground"'):
        app_state("hidden", "foreground", hidden="yes")
