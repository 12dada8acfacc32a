"""Keys, tokens, passes and passwords are in no log, no error, no dump and no repr."""

from __future__ import annotations

import logging

import pytest

from harness import Stage
from tailwire import CometChatException, Group
from tailwire.testing.embedded import TestUser


async def test_errors_logs_dumps_and_reprs_contain_no_secret(stage: Stage, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    texts: list[str] = []

    async def refused(call) -> None:
        with pytest.raises(CometChatException) as caught:
            await call
        texts.extend((str(caught.value), repr(caught.value), repr(caught.value.__dict__), repr(caught.value.__cause__)))

    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    session = alice.chat._sessions.require()
    secrets = {
        "auth key": stage.server.auth_key,
        "REST key": stage.server.api_key,
        "token": session.auth_token,
        "pass": alice.chat._parts.connector._pass,
        "group password": "correct-horse",
        "wrong key": "a-wrong-key-0123456789",
        "wrong token": "bob_1700000000feedfacefeedface",
    }
    assert all(len(s) > 10 for s in secrets.values())
    await alice.chat.create_group(Group("safe", "Safe", type="password", password=secrets["group password"]))
    await refused(bob.chat.login("carol", auth_key=secrets["wrong key"]))
    await refused(bob.chat.login_with_auth_token(secrets["wrong token"]))
    await refused(bob.chat.join_group("safe", "password", "battery-staple"))
    stage.network.drop()
    await stage.pass_time(5)
    await stage.server.parts.actions.keys.delete_tokens("alice")
    await alice.ears.until(lambda: alice.ears.all("error"))
    texts += [repr(e) + str(e) for e in alice.ears.all("error")]
    stage.network.cut()
    await refused(bob.chat.connect())
    stage.network.restore()
    alice.chat.connection.dump(tmp_path / "dump.json")
    texts += [(tmp_path / "dump.json").read_text(), alice.chat.connection.explain()]
    texts += [repr(t) for t in alice.chat.connection.history]
    for thing in (session, alice.chat, alice.chat.get_logged_in_user(), alice.chat._settings, alice.chat._parts.driver.state,
                  alice.chat._parts.http, alice.chat._parts.connector, stage.server.parts.keys, stage.server.parts,
                  stage.server.parts.gateway, TestUser("alice", "Alice", session.auth_token)):  # fmt: skip
        texts.append(repr(thing))
    texts.append(caplog.text)
    for name, secret in secrets.items():
        leaked = [text for text in texts if secret in text]
        assert not leaked, f"the {name} is in: {leaked[0][:300]}"
    assert "battery-staple" not in "".join(texts)
