"""A watch starts with a client that takes what it is told, and a word of any thread reaches the client's loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore
from tailwire.adapters.starting import loop_of, saying, started


class Client:
    def __init__(self):
        self.told = []

    def set_app_state(self, state, *, reason="app"):
        self.told.append((state, reason, threading.current_thread()))

    def set_network(self, network):
        raise AssertionError(network)

    @property
    def states(self):
        return [state for state, _, _ in self.told]


def client(url="http://127.0.0.1:1"):
    settings = AppSettingsBuilder().override_client_host(url).build()
    return ChatClient("app", settings, session_store=MemorySessionStore())


def test_two_watches_over_one_client_have_two_reasons():
    chat = Client()
    first, second = started(chat, "kivy", ["hidden"]), started(chat, "kivy", ["hidden"])
    first.see("hidden")
    second.see("hidden")
    second.close()
    by_reason = {reason: state for state, reason, _ in chat.told}
    assert list(by_reason.values()) == ["background", "foreground"]
    first.close()


def test_what_is_no_client_is_refused():
    with pytest.raises(TypeError, match="not a str"):
        started("chat", "kivy", ["hidden"])


async def test_a_client_that_cannot_be_told_is_refused_at_once_and_not_in_a_callback():
    chat = client()
    with pytest.raises(CometChatException) as caught:
        started(chat, "kivy", ["hidden"])
    assert caught.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await chat.init()
    started(chat, "kivy", ["hidden"]).close()
    with pytest.raises(CometChatException) as caught:
        await asyncio.to_thread(started, chat, "kivy", ["hidden"])
    assert caught.value.code == "ERR_WRONG_EVENT_LOOP"
    await chat.aclose()
    with pytest.raises(CometChatException) as caught:
        started(chat, "kivy", ["hidden"])
    assert caught.value.code == "ERR_CLIENT_CLOSED"


def test_a_chat_client_is_watched_from_its_loop():
    with pytest.raises(RuntimeError, match="in a coroutine of that loop"):
        loop_of(client())
    assert loop_of(Client()) is None


async def test_a_word_of_another_thread_is_told_on_the_loop_in_order():
    chat, here = Client(), threading.current_thread()
    watch = started(chat, "android", ["paused"])
    say = saying(watch, asyncio.get_running_loop())

    def platform():
        say("paused")
        say("resumed")
        say("paused")

    await asyncio.to_thread(platform)
    await asyncio.sleep(0)
    assert chat.states == ["foreground", "background", "foreground", "background"]
    assert {thread for _, _, thread in chat.told} == {here}
    say("resumed")  # on the loop itself: at once
    assert chat.states[-1] == "foreground"


def test_a_client_of_any_thread_is_told_in_the_thread_that_says_it():
    chat = Client()
    say = saying(started(chat, "android", ["paused"]), loop_of(chat))
    thread = threading.Thread(target=say, args=["paused"])
    thread.start()
    thread.join()
    assert chat.told[-1][0] == "background"
    assert chat.told[-1][2] is thread


def test_a_platform_that_outlives_the_loop_is_not_disturbed():
    chat = Client()

    async def begin():
        return saying(started(chat, "android", ["paused"]), asyncio.get_running_loop())

    say = asyncio.run(begin())
    say("paused")
    assert chat.states == ["foreground"]
