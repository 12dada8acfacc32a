"""A watch informs its client of changes, under its own name, until it is closed."""

from __future__ import annotations

import pytest

from tailwire.adapters.watching import Watch
from tailwire.sdk.exceptions import failure


class Client:
    def __init__(self):
        self.told = []
        self.error = None

    def set_app_state(self, state, *, reason="app"):
        if self.error is not None:
            raise self.error
        self.told.append((state, reason))

    def set_network(self, network):
        if self.error is not None:
            raise self.error
        self.told.append(network)


def test_only_changes_are_told():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    for word in ("resumed", "inactive", "hidden", "hidden", "paused", "inactive", "resumed", "resumed"):
        watch.see(word)
    assert client.told == [("background", "window"), ("foreground", "window")]
    assert watch.seen == "resumed"
    assert watch.knows == {"hidden"}


def test_a_window_in_the_tray_may_stay_in_the_foreground():
    client = Client()
    watch = Watch(client, "window", ["hidden"], hidden="foreground")
    watch.see("hidden")
    assert client.told == []
    assert watch.seen == "hidden"
    watch.see("paused")
    assert client.told == [("background", "window")]


def test_closing_withdraws_what_was_said_and_undoes_the_holds_last_first():
    client, undone = Client(), []
    with Watch(client, "window", ["hidden"]) as watch:
        watch.at_close(lambda: undone.append("first"))
        watch.at_close(lambda: undone.append("second"))
        watch.see("hidden")
    assert client.told == [("background", "window"), ("foreground", "window")]
    assert undone == ["second", "first"]
    watch.close()
    watch.see("hidden")
    watch.see_network("offline")
    assert len(client.told) == 2
    assert len(undone) == 2


def test_a_window_that_is_gone_stays_in_the_background_after_the_watch():
    client = Client()
    with Watch(client, "window", ["hidden"]) as watch:
        watch.see("detached")
    assert client.told == [("background", "window")]


def test_the_network_is_passed_on():
    client = Client()
    with Watch(client, "network", ["network"]) as watch:
        watch.see_network("offline")
        watch.see_network("online")
    assert client.told == ["offline", "online"]


def test_a_closed_client_is_told_nothing_and_disturbs_no_window():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    client.error = failure("ERR_CLIENT_CLOSED")
    watch.see("hidden")
    watch.see_network("offline")
    watch.close()


def test_another_error_is_not_hidden():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    client.error = failure("ERR_WRONG_EVENT_LOOP")
    with pytest.raises(type(client.error)):
        watch.see("hidden")


def test_a_wrong_meaning_of_hidden_is_refused_before_anything_is_watched():
    with pytest.raises(ValueError, match="hidden"):
        Watch(Client(), "window", [], hidden="never")
