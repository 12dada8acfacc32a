"""The login of another user during a call: what the call began for one user is not done for the next, nor seen by them."""

from __future__ import annotations

import asyncio

import pytest

from harness import Actor, Stage
from tailwire import (
    CometChatException,
    ConnectionChanged,
    MediaMessage,
    MessageListener,
    MessagePinned,
    MessageReceived,
    MessageSaved,
    TextMessage,
    UploadAttachment,
    UploadFile,
    UploadFileListener,
)
from tailwire.sdk.listeners import registry


def files(count: int) -> list[UploadFile]:
    return [UploadFile(content=bytes(1_000_000), name=f"{n}.bin") for n in range(count)]


class Switch:
    """Logs another user in while a file is being uploaded. Its methods are called with the progress of uploads."""

    def __init__(self, stage: Stage, actor: Actor, uid: str) -> None:
        stage.network.set_line("", 1e6, 1e6, 0.01)  # an upload takes longer than the login
        self.login: asyncio.Task | None = None
        self._actor, self._uid, self._key = actor, uid, stage.server.auth_key

    def on_progress(self, name: str, sent: int, size: int) -> None:
        if self.login is None:
            self.login = asyncio.create_task(self._actor.chat.login(self._uid, auth_key=self._key))


async def test_media_message_of_a_user_is_not_sent_as_the_next_user(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    switch = Switch(stage, alice, "carol")
    media = MediaMessage(receiver="bob", type="file", files=files(1))
    with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
        await alice.chat.send_media_message(media, on_progress=switch.on_progress)
    assert (await switch.login).uid == "carol"
    await stage.pass_time(60)
    assert bob.ears.all("media") == []


async def owners_of_files(stage: Stage) -> set[str]:
    rows = await stage.server.parts.store.database.rows("SELECT uid FROM files")
    return {row[0] for row in rows}


async def test_files_of_a_user_are_not_uploaded_as_the_next_user(stage: Stage):
    alice = await stage.enter("alice")
    switch = Switch(stage, alice, "carol")
    with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
        await alice.chat.upload_attachments("bob", "user", files(3), on_progress=switch.on_progress)
    assert (await switch.login).uid == "carol"
    assert await owners_of_files(stage) == {"alice"}


async def test_upload_request_of_a_user_uploads_nothing_as_the_next_user(stage: Stage):
    alice = await stage.enter("alice")
    switch = Switch(stage, alice, "carol")

    class Listener(UploadFileListener):
        def on_file_progress(self, file_id, loaded, total, percent):
            switch.on_progress(file_id, loaded, total)

    uploads = [UploadAttachment(file.name, file) for file in files(3)]
    result = await alice.chat.create_upload_file_request("bob", "user").upload_attachments(uploads, Listener())
    assert (await switch.login).uid == "carol"
    assert {e.code for e in result.rejected.values()} == {"USER_NOT_LOGGED_IN"}
    assert len(result.rejected) == 2
    assert await owners_of_files(stage) == {"alice"}


# What was received for a user, or changed by them.


async def switch(actor: Actor, stage: Stage, uid: str) -> None:
    await actor.chat.login(uid, auth_key=stage.server.auth_key)
    await actor.wait_connected()


async def read_to_end(stream) -> list:
    stream.close()
    return [event async for event in stream]


@pytest.mark.parametrize("acknowledge", [False, True])
@pytest.mark.parametrize("ends", ["account switch", "logout"])
async def test_streams_do_not_yield_events_of_the_previous_user(stage: Stage, ends: str, acknowledge: bool):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await stage.pass_time(1)
    stream = alice.chat.events(acknowledge=acknowledge)
    await bob.say("alice", "for alice")
    await alice.ears.until(lambda: alice.ears.texts == ["for alice"])
    if ends == "logout":
        await alice.chat.logout()
    await switch(alice, stage, "carol")
    await bob.say("carol", "for carol")
    await stage.pass_time(1)
    events = await read_to_end(stream)
    assert [e.message.text for e in events if isinstance(e, MessageReceived)] == ["for carol"]
    assert [e.status for e in events if isinstance(e, ConnectionChanged)][-1] == "connected"


async def test_full_stream_of_the_previous_user_does_not_stop_the_events_of_the_next(stage: Stage, monkeypatch):
    monkeypatch.setattr(registry, "MAX_EVENTS", 10)
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await stage.pass_time(1)
    full, other = alice.chat.events(), alice.chat.events()
    for n in range(15):
        await bob.say("alice", str(n))
    await stage.pass_time(1)
    await switch(alice, stage, "carol")
    await stage.pass_time(1)
    await bob.say("carol", "for carol")
    await stage.pass_time(1)
    for stream in (full, other):
        received = [e.message.text for e in await read_to_end(stream) if isinstance(e, MessageReceived)]
        assert received == ["for carol"]


async def test_message_that_a_listener_holds_up_reaches_nothing_else_after_the_switch(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    begun, finish = asyncio.Event(), asyncio.Event()

    class Slow(MessageListener):
        async def on_text_message_received(self, message):
            begun.set()
            await finish.wait()

    alice.chat.remove_message_listener("ears")
    alice.chat.add_message_listener("slow", Slow())
    alice.chat.add_message_listener("ears", alice.ears)
    stream = alice.chat.events()
    await bob.say("alice", "for alice")
    await begun.wait()
    await alice.chat.login("carol", auth_key=stage.server.auth_key)
    finish.set()
    await stage.pass_time(1)
    assert alice.ears.texts == []
    assert [e for e in await read_to_end(stream) if isinstance(e, MessageReceived)] == []


class Held:
    """Holds up the requests of a client with a method and the beginning of a path, until they are let through.

    Attributes:
        begun: set when one is held.
        answers: whether it is sent at once, and its answer is held up.
    """

    def __init__(self, actor: Actor, method: str, path: str, *, answers: bool) -> None:
        http, self.begun, self._free = actor.chat._parts.http, asyncio.Event(), asyncio.Event()
        real_ask = http.ask

        async def ask(its_method: str, its_path: str, **more):
            if its_method != method or not its_path.startswith(path):
                return await real_ask(its_method, its_path, **more)
            answer = await real_ask(its_method, its_path, **more) if answers else None
            self.begun.set()
            await self._free.wait()
            return answer if answers else await real_ask(its_method, its_path, **more)

        http.ask = ask

    def let_through(self) -> None:
        self._free.set()


async def test_message_sent_late_by_the_previous_user_reaches_the_next_one(stage: Stage):
    alice = await stage.enter("alice", auto=False)
    held = Held(alice, "POST", "/messages", answers=False)
    sending = asyncio.create_task(alice.chat.send_message(TextMessage(receiver="bob", text="hello")))
    await held.begun.wait()
    await alice.chat.login("bob", auth_key=stage.server.auth_key)
    held.let_through()
    assert (await sending).sender.uid == "alice"
    await alice.chat.connect()
    await alice.ears.until(lambda: alice.ears.texts == ["hello"])


CHANGES = {
    "pin": ("/pin", lambda chat, n: chat.pin_message(n)),
    "save": ("/save", lambda chat, n: chat.save_message(n)),
}


@pytest.mark.parametrize("kind", CHANGES)
async def test_late_answer_to_a_pin_or_save_is_not_an_event_for_the_next_user(stage: Stage, kind: str):
    path, change = CHANGES[kind]
    alice = await stage.enter("alice")
    sent = await alice.say("bob", "hello")
    stream = alice.chat.events()
    held = Held(alice, "POST", f"/messages/{sent.id}{path}", answers=True)
    changing = asyncio.create_task(change(alice.chat, sent.id))
    await held.begun.wait()
    await switch(alice, stage, "carol")
    held.let_through()
    assert (await changing).id == sent.id
    await stage.pass_time(1)
    assert [e for e in await read_to_end(stream) if isinstance(e, MessagePinned | MessageSaved)] == []
    assert alice.ears.all("pinned") == alice.ears.all("saved") == []


async def test_late_answer_to_a_change_does_not_reach_live_lists_of_the_next_user(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.say("alice", "one")
    await bob.say("carol", "two")
    held = Held(alice, "POST", "/users/bob/conversation/pin", answers=True)
    pinning = asyncio.create_task(alice.chat.pin_conversation("bob", "user"))
    await held.begun.wait()
    await switch(alice, stage, "carol")
    async with await alice.chat.live_conversations() as live:
        held.let_through()
        await pinning
        await stage.pass_time(1)
        shown = [(i.conversation.conversation_id, i.conversation.pinned_at) for i in live.items]
        assert shown == [("bob_user_carol", 0)]
