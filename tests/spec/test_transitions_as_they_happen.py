"""`connection.subscribe()`: each transition is reported when it happens."""

from __future__ import annotations

import pytest

from harness import Stage
from tailwire import CometChatException
from tailwire.sdk.connection.state import Phase


async def test_each_transition_is_reported_once_with_its_explanation(stage: Stage):
    alice = await stage.enter("alice")
    connection, transitions = alice.chat.connection, []
    before = len(connection.history)
    connection.subscribe(lambda t: transitions.append((t, connection.status, connection.explain())))
    alice.chat.set_app_state("background")
    assert [t.phase for t, _, _ in transitions] == [Phase.IDLE]  # reported before the call returns
    alice.chat.set_app_state("foreground")
    await alice.wait_connected()
    assert [t.phase for t, _, _ in transitions] == [Phase.IDLE, Phase.CONNECTING, Phase.OPEN]
    assert tuple(t for t, _, _ in transitions) == connection.history[before:]
    for transition, status, sentence in transitions:
        assert status is transition.status
        assert sentence.startswith(f"{transition.status}: ")
    assert "the app is in the background" in transitions[0][2]


async def test_stopped_subscription_receives_no_transition(stage: Stage):
    alice = await stage.enter("alice")
    transitions = []
    stop = alice.chat.connection.subscribe(transitions.append)
    alice.chat.set_app_state("background")
    stop()
    alice.chat.set_app_state("foreground")
    assert [t.phase for t in transitions] == [Phase.IDLE]


async def test_subscribers_may_call_the_client(stage: Stage):
    alice = await stage.enter("alice")
    phases = []

    def back_at_once(transition):
        phases.append(transition.phase)
        if transition.phase is Phase.IDLE:
            alice.chat.set_app_state("foreground")

    alice.chat.connection.subscribe(back_at_once)
    alice.chat.set_app_state("background")
    await alice.wait_connected()
    assert phases == [Phase.IDLE, Phase.CONNECTING, Phase.OPEN]


async def test_last_transition_is_reported_during_close(stage: Stage):
    alice = await stage.enter("alice")
    transitions = []
    alice.chat.connection.subscribe(transitions.append)
    await alice.chat.aclose()
    assert [(t.trigger, t.phase) for t in transitions] == [("ClientClosed", Phase.IDLE)]


async def test_subscribing_before_init_is_refused(stage: Stage):
    with pytest.raises(CometChatException) as refused:
        stage.actor().chat.connection.subscribe(print)
    assert refused.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"


async def test_remaining_time_of_the_background_window_is_shown(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    assert alice.chat.connection.window_left is None
    alice.chat.set_app_state("background")
    assert alice.chat.connection.window_left == pytest.approx(30)
    await stage.pass_time(12)
    assert alice.chat.connection.window_left == pytest.approx(18)
    await alice.chat.ping()
    assert alice.chat.connection.window_left == pytest.approx(30, abs=0.5)
    await stage.pass_time(40)
    assert alice.chat.connection.window_left is None
