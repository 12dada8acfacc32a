"""The events of a page, imitated. Real pages: tests/chromium."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from recording_clients import RecordingClient
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore, watch_browser
from tailwire.adapters.browser import watch_page


class Target:
    """An imitated JavaScript event target."""

    def __init__(self, **more):
        self.listening = {}
        self.__dict__.update(more)

    def addEventListener(self, event, callback):
        self.listening[event] = callback

    def removeEventListener(self, event, callback):
        assert self.listening.pop(event) is callback

    def fire(self, event):
        self.listening[event].callback(SimpleNamespace(type=event))


class Proxy:
    def __init__(self, callback):
        self.callback = callback
        self.destroyed = 0

    def destroy(self):
        self.destroyed += 1


def page(state="visible", online=True):
    return Target(document=Target(visibilityState=state), navigator=SimpleNamespace(onLine=online))


def test_page_events_are_reported_until_the_watch_is_closed():
    client, window, proxies = RecordingClient(), page(), []

    def proxied(callback):
        proxies.append(Proxy(callback))
        return proxies[-1]

    watch = watch_page(client, window, proxied)
    assert client.reported == []
    assert watch.knows == {"hidden", "paused", "network"}
    document = window.document
    document.visibilityState = "hidden"
    document.fire("visibilitychange")
    document.fire("freeze")
    assert (client.reported, watch.seen) == (["background"], "paused")
    document.fire("resume")  # resumed, but still hidden
    assert (client.reported, watch.seen) == (["background"], "hidden")
    document.visibilityState = "visible"
    document.fire("visibilitychange")
    window.fire("pagehide")
    assert watch.seen == "detached"
    window.fire("pageshow")
    window.fire("offline")
    window.fire("online")
    assert client.reported == ["background", "foreground", "background", "foreground", "offline", "online"]

    watch.close()
    assert window.listening == document.listening == {}
    assert [proxy.destroyed for proxy in proxies] == [1] * 7


def test_page_that_starts_hidden_and_offline_is_reported_as_such():
    client = RecordingClient()
    watch_page(client, page("hidden", online=False), Proxy)
    assert client.reported == ["background", "offline"]


def test_outside_of_a_page_is_refused():
    with pytest.raises(RuntimeError, match="web page"):
        watch_browser(RecordingClient())


async def test_uninitialised_and_closed_clients_are_refused():
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    chat = ChatClient("app", settings, session_store=MemorySessionStore())
    with pytest.raises(CometChatException) as e:
        watch_page(chat, page(), Proxy)
    assert e.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await chat.init()
    watch = watch_page(chat, page(), Proxy)
    await chat.aclose()
    watch.report("hidden")  # a window may outlive its client
    watch.close()
    watch.close()
    with pytest.raises(CometChatException) as e:
        watch_page(chat, page(), Proxy)
    assert e.value.code == "ERR_CLIENT_CLOSED"
