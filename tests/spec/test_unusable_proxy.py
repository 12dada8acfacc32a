"""A proxy of the environment that cannot be used, found by an app that starts with a saved session."""

from __future__ import annotations

import pytest

from harness import CONNECTED, Stage
from tailwire import CometChatException, FileSessionStore, OutboxStatus, TextMessage
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.world import World
from tailwire.testing.virtual.world import VirtualSdkWorld

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class ProxiedWorld(VirtualSdkWorld):
    """The virtual environment, with the proxies of the environment's variables, as in a real process."""

    async def open_wire(self, url, headers, tls, proxy=None, moved=lambda: None):
        return await World.open_wire(self, url, headers, tls, proxy, moved)

    def http_client(self, tls, proxy=None):
        return World.http_client(self, tls, proxy)


@pytest.mark.parametrize(
    ("address", "says"),
    [("gopher://proxy.test:1", "'gopher' is unknown"), ("http://proxy.test:x", "cannot be read")],
)
async def test_saved_session_waits_for_a_usable_proxy(stage: Stage, tmp_path, monkeypatch, address, says):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    store = FileSessionStore(tmp_path / "device")
    bob = await stage.enter("bob")
    first = await stage.enter("alice", store=store)
    await first.chat.aclose()

    monkeypatch.setenv("ALL_PROXY", address)
    alice = stage.actor(store=store, outbox=True, world=ProxiedWorld(7))
    await alice.chat.init()  # with a saved session, so it connects
    alice.listen()
    entry = alice.chat.queue_message(TextMessage(receiver="bob", text="later"))
    with pytest.raises(CometChatException) as caught:
        await alice.say("bob", "now")
    assert (caught.value.code, caught.value.cause) == ("NO_INTERNET_CONNECTION", Cause.PROXY_REFUSED)
    await stage.pass_time(60)
    attempts = {t.epoch for t in alice.chat.connection.history if t.cause is Cause.PROXY_REFUSED}
    assert len(attempts) >= 3
    assert {t.cause for t in alice.chat.connection.history} <= {None, Cause.PROXY_REFUSED}
    explained = alice.chat.connection.explain()
    assert "ALL_PROXY" in explained
    assert says in explained
    assert (alice.status is CONNECTED, entry.status) == (False, OutboxStatus.PENDING)
    assert (entry.error.code, entry.error.cause) == ("NO_INTERNET_CONNECTION", Cause.PROXY_REFUSED)

    monkeypatch.delenv("ALL_PROXY")
    await alice.wait_connected()
    await entry.result()
    await bob.ears.until(lambda: bob.ears.texts == ["later"])
