"""A watch informs its client of changes, under its own name, until it is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire import AppSettingsBuilder, ChatClient, CometChat, CometChatException, MemorySessionStore
from tailwire.adapters.watching import Watch
from tailwire.sdk.exceptions import failure


class Client:
    """Keeps what it is told behind the first word of a watch, which is `foreground`."""

    def __init__(self):
        self.told, self.reasons, self.threads = [], [], []
        self.error = None

    def _take(self, what):
        if self.error is not None:
            raise self.error
        self.told.append(what)
        self.threads.append(threading.current_thread())

    def set_app_state(self, state, *, reason="app"):
        if reason not in self.reasons and self.error is None:
            assert state == "foreground"
            self.reasons.append(reason)
        else:
            self._take(state)

    def set_network(self, network):
        self._take(network)


def client():
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    return ChatClient("app", settings, session_store=MemorySessionStore())


def test_only_changes_are_told():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    for word in ("resumed", "inactive", "hidden", "hidden", "paused", "inactive", "resumed", "resumed"):
        watch.see(word)
    assert client.told == ["background", "foreground"]
    assert watch.seen == "resumed"
    assert watch.knows == {"hidden"}


def test_two_watches_over_one_client_have_two_reasons():
    client = Client()
    first, second = Watch(client, "window", ["hidden"]), Watch(client, "window", ["hidden"])
    assert len(set(client.reasons)) == 2
    assert all(reason.startswith("window ") for reason in client.reasons)
    first.see("hidden")
    second.see("hidden")
    second.close()
    assert client.told == ["background", "background", "foreground"]
    first.close()


def test_a_window_in_the_tray_may_stay_in_the_foreground():
    client = Client()
    watch = Watch(client, "window", ["hidden"], hidden="foreground")
    watch.see("hidden")
    assert client.told == []
    assert watch.seen == "hidden"
    watch.see("paused")
    assert client.told == ["background"]


def test_closing_withdraws_what_was_said_and_undoes_the_holds_last_first():
    client, undone = Client(), []
    with Watch(client, "window", ["hidden"]) as watch:
        watch.at_close(lambda: undone.append("first"))
        watch.at_close(lambda: undone.append("second"))
        watch.see("hidden")
        watch.see_network("offline")
    assert client.told == ["background", "offline", "foreground", "unknown"]
    assert undone == ["second", "first"]
    watch.close()
    watch.see("hidden")
    watch.see_network("offline")
    assert len(client.told) == 4
    assert len(undone) == 2


@pytest.mark.parametrize("fails", ["telling", "an undo"])
def test_a_watch_that_fails_while_it_is_closed_holds_nothing_all_the_same(fails):
    client, undone = Client(), []
    watch = Watch(client, "window", ["hidden"])
    watch.at_close(lambda: undone.append("first"))
    if fails == "telling":
        watch.at_close(lambda: undone.append("second"))
        watch.see("hidden")
        client.error = failure("ERR_WRONG_EVENT_LOOP")
    else:
        watch.at_close(lambda: undone.remove("what is not there"))
    with pytest.raises((CometChatException, ValueError)):
        watch.close()
    assert undone[-1] == "first"
    client.error = None
    watch.close()
    watch.see("hidden")
    assert client.told == (["background"] if fails == "telling" else [])


def test_a_window_that_is_gone_stays_in_the_background_after_the_watch():
    client = Client()
    with Watch(client, "window", ["hidden"]) as watch:
        watch.see("detached")
    assert client.told == ["background"]


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


def test_what_is_wrong_is_refused_before_anything_is_watched():
    with pytest.raises(ValueError, match="hidden"):
        Watch(Client(), "window", [], hidden="never")
    for what in (None, "chat", object()):
        with pytest.raises(TypeError, match=f"a {type(what).__name__} is not a client"):
            Watch(what, "window", [])
    for kind in (Client, ChatClient, CometChat):
        with pytest.raises(TypeError, match=r"require_client\(\)"):
            Watch(kind, "window", [])


async def test_a_client_that_cannot_be_told_is_refused_at_once_and_not_in_a_callback():
    chat = client()
    with pytest.raises(CometChatException) as caught:
        Watch(chat, "window", ["hidden"])
    assert caught.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await chat.init()
    Watch(chat, "window", ["hidden"]).close()
    with pytest.raises(CometChatException) as caught:
        await asyncio.to_thread(Watch, chat, "window", ["hidden"])
    assert caught.value.code == "ERR_WRONG_EVENT_LOOP"
    await chat.aclose()
    with pytest.raises(CometChatException) as caught:
        Watch(chat, "window", ["hidden"])
    assert caught.value.code == "ERR_CLIENT_CLOSED"


async def test_a_word_of_another_thread_is_told_on_the_loop_in_order():
    chat, here = Client(), threading.current_thread()
    watch = Watch(chat, "phone", ["paused"])

    def platform():
        watch.say("paused")
        watch.say("resumed")
        watch.say("paused")

    await asyncio.to_thread(platform)
    await asyncio.sleep(0)
    assert chat.told == ["background", "foreground", "background"]
    assert set(chat.threads) == {here}
    watch.say("resumed")  # on the loop itself: at once
    assert chat.told[-1] == "foreground"


def test_a_client_of_any_thread_is_told_in_the_thread_that_says_it():
    chat = Client()
    watch = Watch(chat, "phone", ["paused"])
    thread = threading.Thread(target=watch.say, args=["paused"])
    thread.start()
    thread.join()
    assert chat.told == ["background"]
    assert chat.threads == [thread]


async def test_a_watch_that_is_closed_in_another_thread_withdraws_on_the_loop():
    chat, here, undone = Client(), threading.current_thread(), []
    watch = Watch(chat, "phone", ["paused"])
    watch.at_close(lambda: undone.append(threading.current_thread() is here))
    watch.see("paused")
    await asyncio.to_thread(watch.close)
    assert undone == [False]
    await asyncio.sleep(0)
    assert chat.told == ["background", "foreground"]
    assert set(chat.threads) == {here}


def test_a_client_of_any_thread_is_told_also_behind_the_loop_on_which_its_watch_began():
    class InAnyThread(Client):
        def start(self, call):
            raise AssertionError(call)

    chat = InAnyThread()

    async def begin():
        return Watch(chat, "window", ["hidden"])

    watch = asyncio.run(begin())
    watch.say("hidden")
    watch.close()
    assert chat.told == ["background", "foreground"]


def test_a_platform_that_outlives_the_loop_is_not_disturbed():
    chat = Client()

    async def begin():
        return Watch(chat, "phone", ["paused"])

    watch = asyncio.run(begin())
    watch.say("paused")
    assert chat.told == []
