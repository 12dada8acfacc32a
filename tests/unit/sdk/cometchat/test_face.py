"""`CometChat` over several event loops: its client belongs to one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tailwire import AppSettings, AppSettingsBuilder, ChatClient, CometChat, CometChatException, FileSessionStore

DONE = "Initialization completed successfully"


@pytest.fixture
def settings() -> AppSettings:
    return AppSettingsBuilder().set_region("us").build()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in addition to those of the test, which closes the current client at its end."""
    with asyncio.Runner() as runner:
        yield runner.get_loop()
        runner.run(CometChat.aclose())
    assert CometChat.client is None


def test_init_replaces_a_client_whose_event_loop_was_closed(settings: AppSettings, tmp_path: Path):
    for app_id in ("one", "one", "another"):
        assert asyncio.run(CometChat.init(app_id, settings, session_store=FileSessionStore(tmp_path))) == DONE
    asyncio.run(CometChat.aclose())
    assert CometChat.client is None


def test_aclose_forgets_a_client_whose_event_loop_was_closed(settings: AppSettings, tmp_path: Path):
    asyncio.run(CometChat.init("one", settings, session_store=FileSessionStore(tmp_path)))
    client = CometChat.client
    asyncio.run(CometChat.aclose())
    assert CometChat.client is None
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        asyncio.run(client.init())


def test_client_of_a_running_loop_is_neither_closed_nor_replaced_by_another(
    settings: AppSettings, tmp_path: Path, loop: asyncio.AbstractEventLoop
):
    loop.run_until_complete(CometChat.init("one", settings, session_store=FileSessionStore(tmp_path)))
    client = CometChat.client
    refusals = []  # with what their frames hold
    for app_id in ("one", "another"):
        with pytest.raises(CometChatException, match="ERR_WRONG_EVENT_LOOP") as refusal:
            asyncio.run(CometChat.init(app_id, settings, session_store=FileSessionStore(tmp_path)))
        refusals.append(refusal)
    with pytest.raises(CometChatException, match="ERR_WRONG_EVENT_LOOP"):
        asyncio.run(CometChat.aclose())
    assert CometChat.client is client
    another = ChatClient("another", settings, session_store=FileSessionStore(tmp_path))
    assert loop.run_until_complete(another.init()) == DONE  # no refused call has left a client that uses the session
    loop.run_until_complete(another.aclose())
    assert loop.run_until_complete(CometChat.init("one", settings)) == DONE


def test_client_whose_event_loop_was_closed_can_be_closed_and_then_gives_up_its_session(
    settings: AppSettings, tmp_path: Path
):
    first, second = (ChatClient("one", settings, session_store=FileSessionStore(tmp_path)) for _ in range(2))
    asyncio.run(first.init())
    with pytest.raises(CometChatException, match="SESSION_IN_USE"):
        asyncio.run(second.init())
    asyncio.run(first.aclose())
    with asyncio.Runner() as runner:
        assert runner.run(second.init()) == DONE
        runner.run(second.aclose())
