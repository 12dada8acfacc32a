"""Those who are told of transitions: in order, each for itself, until they stop."""

from __future__ import annotations

import logging

import pytest

from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import ConnectionStatus, Phase
from tailwire.sdk.io.watchers import Watchers

SAMPLE = Transition(1.0, "LoggedIn", ConnectionStatus.CONNECTING, Phase.CONNECTING, 1, None)


def test_all_are_told_in_order_until_they_stop():
    watchers, heard = Watchers(), []
    stop = watchers.add(lambda t: heard.append(("first", t)))
    watchers.add(lambda t: heard.append(("second", t)))
    watchers.tell(SAMPLE)
    watchers.tell(None)
    assert heard == [("first", SAMPLE), ("second", SAMPLE)]
    stop()
    stop()
    watchers.tell(SAMPLE)
    assert heard[2:] == [("second", SAMPLE)]


def test_one_that_is_removed_while_the_others_are_told_is_not_told():
    watchers, heard = Watchers(), []
    stops = []
    watchers.add(lambda t: stops[0]())
    stops.append(watchers.add(heard.append))
    watchers.tell(SAMPLE)
    assert heard == []


def test_what_one_raises_is_logged_and_the_others_are_told(caplog):
    watchers, heard = Watchers(), []
    watchers.add(lambda t: 1 / 0)
    watchers.add(heard.append)
    with caplog.at_level(logging.ERROR, "tailwire"):
        watchers.tell(SAMPLE)
    assert heard == [SAMPLE]
    assert "connection.subscribe() failed" in caplog.text


async def _awaited(transition: Transition) -> None:
    raise AssertionError("nobody awaits this")


class _Awaited:
    async def __call__(self, transition: Transition) -> None:
        raise AssertionError("nobody awaits this")


@pytest.mark.parametrize(
    ("told", "said"), [(None, "not a NoneType"), (_awaited, "plain function"), (_Awaited(), "plain function")]
)
def test_what_could_not_be_told_is_refused(told, said):
    with pytest.raises(TypeError, match=said):
        Watchers().add(told)
