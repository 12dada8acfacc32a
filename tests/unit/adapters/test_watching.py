"""A watch reports changes to its client, under its own reason, until it is closed."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire import AppSettingsBuilder, ChatClient, CometChat, CometChatException, MemorySessionStore
from tailwire.adapters.watching import Watch
from tailwire.sdk.exceptions import failure


class Client:
    """Records the reports after the initial `foreground` of a watch."""

    def __init__(self):
        self.reported, self.reasons, self.threads = [], [], []
        self.error = None

    def _take(self, what):
        if self.error is not None:
            raise self.error
        self.reported.append(what)
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


def test_only_changes_of_the_app_state_are_reported():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    for word in ("resumed", "inactive", "hidden", "hidden", "paused", "inactive", "resumed", "resumed"):
        watch.report(word)
    assert client.reported == ["background", "foreground"]
    assert watch.seen == "resumed"
    assert watch.knows == {"hidden"}
    assert repr(watch).endswith(": seen='resumed', knows=['hidden']>")


def test_two_watches_of_one_client_have_different_reasons():
    client = Client()
    first, second = Watch(client, "window", ["hidden"]), Watch(client, "window", ["hidden"])
    assert len(set(client.reasons)) == 2
    assert all(reason.startswith("window ") for reason in client.reasons)
    first.report("hidden")
    second.report("hidden")
    second.close()
    assert client.reported == ["background", "background", "foreground"]
    first.close()


def test_hidden_app_stays_in_the_foreground_if_configured():
    client = Client()
    watch = Watch(client, "window", ["hidden"], hidden="foreground")
    watch.report("hidden")
    assert client.reported == []
    assert watch.seen == "hidden"
    watch.report("paused")
    assert client.reported == ["background"]


def test_closing_withdraws_the_reports_of_the_watch():
    client = Client()
    with Watch(client, "window", ["hidden"]) as watch:
        watch.report("hidden")
        watch.report_network("offline")
    assert client.reported == ["background", "offline", "foreground", "unknown"]


def test_undo_functions_run_once_in_reverse_order_at_close():
    client, undone = Client(), []
    with Watch(client, "window", ["hidden"]) as watch:
        watch.at_close(lambda: undone.append("first"))
        watch.at_close(lambda: undone.append("second"))
        assert undone == []
    assert undone == ["second", "first"]
    watch.close()
    assert undone == ["second", "first"]


def test_closed_watch_reports_nothing():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    watch.close()
    before = list(client.reported)
    watch.report("hidden")
    watch.report_network("offline")
    watch.close()
    assert client.reported == before


@pytest.mark.parametrize("fails", ["a report", "an undo"])
def test_error_during_close_does_not_prevent_the_other_undo_functions(fails):
    client, undone = Client(), []
    watch = Watch(client, "window", ["hidden"])
    watch.at_close(lambda: undone.append("first"))
    if fails == "a report":
        watch.at_close(lambda: undone.append("second"))
        watch.report("hidden")
        client.error = failure("ERR_WRONG_EVENT_LOOP")
    else:
        watch.at_close(lambda: undone.remove("what is not there"))
    with pytest.raises((CometChatException, ValueError)):
        watch.close()
    assert undone[-1] == "first"
    client.error = None
    watch.close()
    watch.report("hidden")
    assert client.reported == (["background"] if fails == "a report" else [])


def test_detached_app_stays_in_the_background_after_close():
    client = Client()
    with Watch(client, "window", ["hidden"]) as watch:
        watch.report("detached")
    assert client.reported == ["background"]


def test_report_of_the_network_reaches_the_client():
    client = Client()
    with Watch(client, "network", ["network"]) as watch:
        watch.report_network("offline")
        watch.report_network("online")
    assert client.reported == ["offline", "online"]


def test_reports_to_a_closed_client_raise_nothing():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    client.error = failure("ERR_CLIENT_CLOSED")
    watch.report("hidden")
    watch.report_network("offline")
    watch.close()


def test_errors_of_a_client_that_is_not_closed_are_raised():
    client = Client()
    watch = Watch(client, "window", ["hidden"])
    client.error = failure("ERR_WRONG_EVENT_LOOP")
    with pytest.raises(type(client.error)):
        watch.report("hidden")


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="hidden"):
        Watch(Client(), "window", [], hidden="never")
    for what in (None, "chat", object()):
        with pytest.raises(TypeError, match=f"a {type(what).__name__} is not a client"):
            Watch(what, "window", [])
    for kind in (Client, ChatClient, CometChat):
        with pytest.raises(TypeError, match=r"require_client\(\)"):
            Watch(kind, "window", [])


async def test_unusable_client_is_refused_at_start():
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


async def test_reports_of_other_threads_run_on_the_loop_in_order():
    chat, here = Client(), threading.current_thread()
    watch = Watch(chat, "phone", ["paused"])

    def platform():
        watch.report_threadsafe("paused")
        watch.report_threadsafe("resumed")
        watch.report_threadsafe("paused")

    await asyncio.to_thread(platform)
    await asyncio.sleep(0)
    assert chat.reported == ["background", "foreground", "background"]
    assert set(chat.threads) == {here}
    watch.report_threadsafe("resumed")  # on the loop itself: immediately
    assert chat.reported[-1] == "foreground"


def test_thread_safe_client_is_called_directly():
    chat = Client()
    watch = Watch(chat, "phone", ["paused"])
    thread = threading.Thread(target=watch.report_threadsafe, args=["paused"])
    thread.start()
    thread.join()
    assert chat.reported == ["background"]
    assert chat.threads == [thread]


async def test_close_in_another_thread_withdraws_on_the_loop():
    chat, here, undone = Client(), threading.current_thread(), []
    watch = Watch(chat, "phone", ["paused"])
    watch.at_close(lambda: undone.append(threading.current_thread() is here))
    watch.report("paused")
    await asyncio.to_thread(watch.close)
    assert undone == [False]
    await asyncio.sleep(0)
    assert chat.reported == ["background", "foreground"]
    assert set(chat.threads) == {here}


def test_thread_safe_client_outlives_the_loop_of_its_watch():
    class InAnyThread(Client):
        def start(self, call):
            raise AssertionError(call)

    chat = InAnyThread()

    async def begin():
        return Watch(chat, "window", ["hidden"])

    watch = asyncio.run(begin())
    watch.report_threadsafe("hidden")
    watch.close()
    assert chat.reported == ["background", "foreground"]


def test_reports_after_the_loop_is_closed_are_ignored():
    chat = Client()

    async def begin():
        return Watch(chat, "phone", ["paused"])

    watch = asyncio.run(begin())
    watch.report_threadsafe("paused")
    assert chat.reported == []
