"""Flet's events and the app's own handlers, with an imitated page. Real pages: tests/adapters."""

from __future__ import annotations

import asyncio
import inspect
import sys
from enum import Enum
from types import SimpleNamespace

import pytest

from recording_clients import RecordingClient
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore, watch_flet

Life = Enum("Life", "SHOW RESUME HIDE INACTIVE PAUSE DETACH RESTART")


class Page:
    web, pyodide = True, False
    on_app_lifecycle_state_change = on_connect = on_disconnect = None

    def __init__(self):
        self.updated = 0

    def update(self):
        self.updated += 1

    def live(self, *words):
        for word in words:
            self.on_app_lifecycle_state_change(SimpleNamespace(state=Life[word]))


def test_hidden_or_detached_page_is_in_the_background():
    client, page = RecordingClient(), Page()
    watch = watch_flet(client, page)
    assert page.updated == 1
    assert watch.knows == {"hidden", "paused"}  # without the browser's network
    page.live("INACTIVE")
    assert client.reported == []
    page.live("HIDE", "PAUSE", "RESTART")
    assert watch.seen == "paused"
    page.live("SHOW", "RESUME")
    assert client.reported == ["background", "foreground"]
    page.live("DETACH")
    assert client.reported == ["background", "foreground", "background"]


def test_reconnected_page_restores_its_state():
    client, page = RecordingClient(), Page()
    watch = watch_flet(client, page)
    page.on_disconnect(None)
    page.on_connect(None)
    assert client.reported == ["background", "foreground"]
    page.live("HIDE", "INACTIVE")
    page.on_disconnect(None)
    page.on_connect(None)
    assert (client.reported[2:], watch.seen) == (["background"], "hidden")


def test_hidden_page_stays_in_the_foreground_if_configured():
    client, page = RecordingClient(), Page()
    watch_flet(client, page, hidden="foreground")
    page.live("HIDE")
    assert client.reported == []
    page.live("PAUSE")
    assert client.reported == ["background"]


def test_closing_restores_handlers_except_newer_ones():
    client, page, called = RecordingClient(), Page(), []
    page.on_connect = before = lambda e: called.append(e)
    watch = watch_flet(client, page)
    page.on_connect("event")
    page.on_disconnect = since = lambda e: None
    page.live("HIDE")
    watch.close()
    assert called == ["event"]
    assert page.on_connect is before
    assert page.on_disconnect is since
    assert page.on_app_lifecycle_state_change is None
    assert client.reported == ["background", "foreground"]


def test_wrapped_generator_and_async_handlers_remain_generator_and_async_functions():
    called = []

    def plain():
        called.append("plain")

    def steps(e):
        yield called.append("a step")

    async def awaited(e):
        called.append("awaited")

    async def async_steps():
        yield called.append("an async step")

    async def all_of(agen):
        async for _ in agen:
            pass

    for before, is_one, run in [
        (plain, inspect.isfunction, lambda _: None),
        (steps, inspect.isgeneratorfunction, list),
        (awaited, inspect.iscoroutinefunction, asyncio.run),
        (async_steps, inspect.isasyncgenfunction, lambda agen: asyncio.run(all_of(agen))),
    ]:
        client, page = RecordingClient(), Page()
        page.on_disconnect = before
        watch_flet(client, page)
        assert is_one(page.on_disconnect)
        run(page.on_disconnect(None))
        assert client.reported == ["background"]
    assert called == ["plain", "a step", "awaited", "an async step"]


def test_invalid_arguments_are_refused():
    with pytest.raises(TypeError, match="not a page of Flet"):
        watch_flet(RecordingClient(), object())
    with pytest.raises(ValueError, match="hidden"):
        watch_flet(RecordingClient(), Page(), hidden="away")


Network = Enum("Network", "NONE WIFI MOBILE")


@pytest.fixture
def services(monkeypatch):
    """Imitates Flet on a device. Returns its current page and the services that were made for it."""
    found = SimpleNamespace(page=Page(), made=[])
    found.page.web = False

    class Connectivity:
        on_change = None

        def __init__(self):
            found.made.append(self)

    monkeypatch.setitem(sys.modules, "flet", SimpleNamespace(context=found, Connectivity=Connectivity))
    return found


def test_network_of_a_device_is_reported_until_the_watch_is_closed(services):
    client = RecordingClient()
    watch = watch_flet(client, services.page)
    assert "network" in watch.knows
    (connectivity,) = services.made
    for kinds in ([Network.NONE], [Network.WIFI, Network.MOBILE], []):
        connectivity.on_change(SimpleNamespace(connectivity=kinds))
    assert client.reported == ["offline", "online", "unknown"]
    watch.close()
    assert connectivity.on_change is None


def test_network_of_a_page_that_is_not_the_current_one_is_not_watched(services):
    page, services.page = services.page, None
    assert "network" not in watch_flet(RecordingClient(), page).knows
    assert services.made == []


async def test_uninitialised_and_closed_clients_are_refused():
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    chat = ChatClient("app", settings, session_store=MemorySessionStore())
    with pytest.raises(CometChatException) as e:
        watch_flet(chat, Page())
    assert e.value.code == "COMETCHAT_INITIALIZATION_NOT_DONE"
    await chat.init()
    watch = watch_flet(chat, Page())
    await chat.aclose()
    watch.report("hidden")  # a window may outlive its client
    watch.close()
    watch.close()
    with pytest.raises(CometChatException) as e:
        watch_flet(chat, Page())
    assert e.value.code == "ERR_CLIENT_CLOSED"
