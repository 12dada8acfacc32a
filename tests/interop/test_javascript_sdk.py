"""The vendor's JavaScript SDK, unchanged: a scenario for every row of the protocol's tables."""

from __future__ import annotations

import pytest

from interop.stage import Stage


@pytest.fixture
def cast(server, browser):
    return Stage(server, browser)


async def test_login_settings_socket_and_logout(cast):
    async with cast:
        alice = cast.user("alice")
        page = await cast.page(alice)
        me = await page.run("return (await CometChat.getLoggedinUser()).getUid()")
        assert me == alice
        assert await page.run("return CometChat.getConnectionStatus()") == "connected"
        token = cast.ask("POST", f"/users/{alice}/auth_tokens")["authToken"]
        await page.run("await CometChat.logout()")
        await page.hears("logoutSuccess")
        again = await cast.page(alice, name="again", token=token)
        assert await again.run("return (await CometChat.getLoggedinUser()).getUid()") == alice


async def test_texts_both_ways(cast):
    async with cast:
        alice, bob = cast.user("alice"), cast.user("bob")
        pa, pb = await cast.page(alice), await cast.page(bob)
        sent = await pa.run(
            """const m = new CometChat.TextMessage(to, "hello", CometChat.RECEIVER_TYPE.USER);
            m.setMetadata({ k: 1 }); m.setTags(["t"]);
            return await CometChat.sendMessage(m);""",
            to=bob,
        )
        assert sent["text"] == "hello"
        got = await pb.hears("onTextMessageReceived")
        assert (got["text"], got["id"], got["sender"]["uid"]) == ("hello", sent["id"], alice)
        assert not pa.all("onTextMessageReceived")
