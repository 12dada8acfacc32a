"""`World.prepare` refuses an event loop without sockets, and reports libraries that cannot be loaded."""

from __future__ import annotations

import asyncio
import errno
import os
import sys

import pytest

from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore
from tailwire.sdk.io import world


class QtsOwnLoop(asyncio.SelectorEventLoop):
    """A loop like that of `PySide6.QtAsyncio`, which does not implement connections."""

    async def create_connection(self, *_, **__):
        raise NotImplementedError("create_connection() is not implemented yet")


async def begin() -> str:
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    async with ChatClient("app", settings, session_store=MemorySessionStore()) as chat:
        return await chat.init()


def test_loop_without_sockets_is_refused():
    with (
        asyncio.Runner(loop_factory=QtsOwnLoop) as runner,
        pytest.raises(CometChatException, match="QtsOwnLoop") as caught,
    ):
        runner.run(begin())
    assert caught.value.code == "ERR_CHAT_API_FAILURE"
    assert "post=post_qt()" in caught.value.details


@pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, "uvloop"])
def test_loops_with_sockets_are_accepted(loop):
    factory = pytest.importorskip("uvloop").new_event_loop if loop == "uvloop" else loop
    with asyncio.Runner(loop_factory=factory) as runner:
        assert "success" in runner.run(begin())


async def test_libraries_that_cannot_be_loaded_fail_this_init_only(monkeypatch: pytest.MonkeyPatch):
    def load() -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    chat = ChatClient("app", settings, session_store=MemorySessionStore())
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "httpx2")
        patch.setattr(world, "_load", load)
        with pytest.raises(CometChatException, match="Too many open files") as caught:
            await chat.init()
    assert caught.value.code == "ERR_CHAT_API_FAILURE"
    assert isinstance(caught.value.__cause__, OSError)
    assert "success" in await chat.init()
    await chat.aclose()
