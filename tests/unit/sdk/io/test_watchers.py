"""Functions subscribed to transitions are called in order, independently, until they are removed."""

from __future__ import annotations

import logging

import pytest

from tailwire.sdk.connection.history import Transition
from tailwire.sdk.connection.state import ConnectionStatus, Phase
from tailwire.sdk.io.watchers import Watchers

SAMPLE = Transition(1.0, "LoggedIn", ConnectionStatus.CONNECTING, Phase.CONNECTING, 1, None)


def test_functions_are_called_in_order_until_removed():
    watchers, heard = Watchers(), []
    stop = watchers.add(lambda t: heard.append(("first", t)))
    watchers.add(lambda t: heard.append(("second", t)))
    watchers.notify(SAMPLE)
    watchers.notify(None)
    assert heard == [("first", SAMPLE), ("second", SAMPLE)]
    stop()
    stop()
    watchers.notify(SAMPLE)
    assert heard[2:] == [("second", SAMPLE)]


def test_function_removed_during_a_call_is_not_called():
    watchers, heard = Watchers(), []
    stops = []
    watchers.add(lambda t: stops[0]())
    stops.append(watchers.add(heard.append))
    watchers.notify(SAMPLE)
    assert heard == []


def test_exception_is_logged_and_the_others_are_called(caplog):
    watchers, heard = Watchers(), []
    watchers.add(lambda t: 1 / 0)
    watchers.add(heard.append)
    with caplog.at_level(logging.ERROR, "tailwire"):
        watchers.notify(SAMPLE)
    assert heard == [SAMPLE]
    assert "connection.subscribe() failed" in caplog.text


async def _awaited(transition: Transition) -> None:
    raise AssertionError("nobody awaits this")


class _Awaited:
    async def __call__(self, transition: Transition) -> None:
        raise AssertionError("nobody awaits this")


@pytest.mark.parametrize(
    ("function", "problem"), [(None, "not a NoneType"), (_awaited, "plain function"), (_Awaited(), "plain function")]
)
def test_uncallable_and_async_functions_are_refused(function, problem):
    with pytest.raises(TypeError, match=problem):
        Watchers().add(function)
