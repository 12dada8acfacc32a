"""Settings that a page refuses."""

from __future__ import annotations

import ssl

import pytest

from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore
from tailwire.sdk.io.browser_world import BrowserWorld
from tailwire.sdk.io.world import World, this_world


def test_process_outside_of_a_browser_uses_the_world_with_sockets():
    assert type(this_world()) is World


async def test_settings_that_the_browser_controls_are_refused():
    builder = AppSettingsBuilder().override_client_host("http://localhost:1")
    chat = ChatClient(
        "app",
        builder.proxy("http://proxy:8080").certificate_authority("ca.pem").build(),
        session_store=MemorySessionStore(),
        tls=ssl.create_default_context(),
        world=BrowserWorld(),
    )
    with pytest.raises(CometChatException, match=r"tls= and proxy\(\) and certificate_authority\(\)") as e:
        await chat.init()
    assert e.value.code == "ERR_CHAT_API_FAILURE"
    await chat.aclose()
