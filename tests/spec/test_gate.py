"""A closed client refuses calls, and a client accepts calls only on its own event loop."""

from __future__ import annotations

import asyncio
import inspect
import threading

import pytest

from harness import CONNECTED, DISCONNECTED, Stage
from tailwire import (
    ChatClient,
    CometChatException,
    MediaMessage,
    MessageListener,
    MessagesRequestBuilder,
    ReactionsRequestBuilder,
    TextMessage,
    UploadAttachment,
    UploadFile,
    UploadFileListener,
    User,
    UsersRequestBuilder,
)

ALLOWED_AFTER_CLOSE = {"get_logged_in_user", "get_connection_status", "connection", "aclose"}
METHODS = sorted(
    name
    for name in dir(ChatClient)
    if not name.startswith(("_", "remove_")) and name not in ALLOWED_AFTER_CLOSE and callable(getattr(ChatClient, name))
)


async def call(chat: ChatClient, name: str) -> None:
    """Call a method with nonsense for each argument that it needs."""
    method = getattr(chat, name)
    needed = [
        p for p in inspect.signature(method).parameters.values() if p.default is p.empty and p.kind != p.VAR_POSITIONAL
    ]
    positional = [object() for p in needed if p.kind == p.POSITIONAL_OR_KEYWORD]
    result = method(*positional, **{p.name: object() for p in needed if p.kind == p.KEYWORD_ONLY})
    if inspect.isawaitable(result):
        await result
    elif hasattr(result, "__anext__"):
        await anext(result)


async def test_closed_client_refuses_every_call(stage: Stage):
    alice = await stage.enter("alice")
    requests = [MessagesRequestBuilder().set_uid("bob").build(alice.chat), UsersRequestBuilder().build(alice.chat)]
    await alice.chat.aclose()
    assert len(METHODS) > 70
    for name in METHODS:
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            await call(alice.chat, name)
    for request, fetch in zip(requests, ("fetch_previous", "fetch_next"), strict=True):
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            await getattr(request, fetch)()


async def test_closed_client_shows_its_state_and_removes_listeners(stage: Stage):
    alice = await stage.enter("alice")
    await alice.chat.aclose()
    alice.chat.remove_message_listener("ears")
    assert alice.chat.get_connection_status() is DISCONNECTED
    assert "closed" in alice.chat.connection.explain()
    assert alice.chat.get_logged_in_user().uid == "alice"
    await alice.chat.aclose()


async def test_streams_of_a_closed_client_end(stage: Stage):
    alice = await stage.enter("alice")
    await stage.pass_time(5)
    stream = alice.chat.events()
    reading = asyncio.create_task(anext(stream, "the end"))
    await stage.pass_time(1)
    await alice.chat.aclose()
    assert await reading == "the end"
    assert [event async for event in stream] == []


async def test_call_from_another_thread_is_refused_with_advice(stage: Stage):
    alice = await stage.enter("alice", outbox=True)
    entry = alice.chat.queue_message(TextMessage(receiver="bob", receiver_type="user", text="queued"))
    await entry.result()
    errors: dict[str, object] = {}
    callbacks: list[str] = []
    messages = MessagesRequestBuilder().set_uid("bob").build(alice.chat)
    users = UsersRequestBuilder().build(alice.chat)
    reactions = ReactionsRequestBuilder(1).build(alice.chat)
    files = alice.chat.create_upload_file_request("bob")

    class RecordingListener(UploadFileListener):
        def on_file_error(self, file_id, exception):
            callbacks.append(file_id)

        def on_complete(self, result):
            callbacks.append("complete")

    upload = [UploadAttachment("one", UploadFile(content=b"x", name="x"))]

    def elsewhere() -> None:
        for name in METHODS:
            try:
                asyncio.run(call(alice.chat, name))
            except BaseException as e:
                errors[name] = e
        for what, function in (
            ("state", lambda: alice.chat.set_app_state("background")),
            ("network", lambda: alice.chat.set_network("offline")),
            ("listener", lambda: alice.chat.add_message_listener("ears", MessageListener())),
            ("close", lambda: asyncio.run(alice.chat.aclose())),
            ("result", lambda: asyncio.run(entry.result())),
            ("cancel", entry.cancel),
            ("retry", entry.retry),
            ("connection", lambda: alice.chat.connection),
            ("previous", lambda: asyncio.run(messages.fetch_previous())),
            ("next", lambda: asyncio.run(users.fetch_next())),
            ("reactions page", lambda: asyncio.run(reactions.fetch_next())),
            ("files", lambda: asyncio.run(files.upload_attachments(upload, RecordingListener()))),
        ):
            try:
                function()
            except BaseException as e:
                errors[what] = e

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(60)
    assert len(errors) == len(METHODS) + 12
    assert callbacks == []
    for name, error in errors.items():
        assert isinstance(error, CometChatException), (name, error)
        assert error.code == "ERR_WRONG_EVENT_LOOP", name
        assert "tailwire.sync" in str(error)
        assert "run_coroutine_threadsafe" in str(error)
    assert alice.status is CONNECTED
    await alice.say("bob", "still here")
    await stage.pass_time(60)
    assert alice.status is CONNECTED
    assert "network" not in alice.chat.connection.explain()


async def test_listener_may_be_added_in_a_thread_without_a_loop_before_init(stage: Stage):
    actor = stage.actor()
    thread = threading.Thread(target=lambda: actor.chat.add_message_listener("ears", actor.ears))
    thread.start()
    thread.join(60)
    await actor.chat.init()
    await actor.chat.login("bob", auth_key=stage.server.auth_key)
    alice = await stage.enter("alice")
    await alice.say("bob", "hello")
    await actor.ears.until(lambda: actor.ears.texts == ["hello"])


class Misspelt(MessageListener):
    def on_text_message_recieved(self, message):
        raise AssertionError


class Almost:
    def on_text_message_received(self, message):
        raise AssertionError


class Deaf(MessageListener):
    """A listener without callbacks."""


class Short(MessageListener):
    def on_text_message_received(self):
        raise AssertionError


class Wide(MessageListener):
    def on_text_message_received(self, *anything, **named):
        pass


class Widget(MessageListener):
    """A listener that is also one of another library, with other callbacks."""

    def on_mount(self):
        raise AssertionError

    def on_text_message_received(self, message):
        pass


@pytest.mark.parametrize(
    ("listener", "says"),
    [
        (object(), "Derive object from MessageListener."),
        (Almost(), "Derive Almost from MessageListener."),
        (Widget, "Give an instance: Widget()."),
        (Deaf(), "Deaf overrides no callback"),
        (Short(), "Short.on_text_message_received cannot be called with message"),
        (Misspelt(), "Misspelt.on_text_message_recieved would never be called. Did you mean on_text_message_received?"),
    ],
)
async def test_listener_that_could_never_be_called_is_refused(stage: Stage, listener, says):
    chat = stage.actor().chat
    with pytest.raises(CometChatException) as caught:
        chat.add_message_listener("ears", listener)
    assert caught.value.code == "ERR_INVALID_ARGUMENT"
    assert says in caught.value.details


@pytest.mark.parametrize("listener", [Widget(), Wide()])
async def test_listener_with_other_methods_or_any_arguments_is_called(stage: Stage, listener, monkeypatch):
    heard: list[str] = []
    original = type(listener).on_text_message_received

    def hear(self, *anything, **named):
        original(self, *anything, **named)
        heard.append(anything[0].text)

    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    alice.chat.add_message_listener("other", listener)
    monkeypatch.setattr(type(listener), "on_text_message_received", hear)
    await bob.say("alice", "hello")
    await alice.ears.until(lambda: heard == ["hello"])


async def test_invalid_arguments_fail_before_any_request(stage: Stage):
    alice = await stage.enter("alice")
    chat, sent = alice.chat, await alice.say("bob", "hello")
    unsent = TextMessage(receiver="bob", text="x")
    stage.network.cut()  # nothing of this reaches the server

    async def read_history(**arguments):
        return [message async for message in chat.messages(**arguments)]

    for call, code in (
        (lambda: read_history(uid="bob", guid="team"), "ERR_INVALID_ARGUMENT"),
        (lambda: read_history(uid="bob", page_size=0), "ERROR_NON_POSITIVE_LIMIT"),
        (lambda: read_history(uid="bob", page_size=1000), "ERROR_LIMIT_EXCEEDED"),
        (lambda: chat.get_message(0), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.get_message("abc"), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.delete_message(-1), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.edit_message(unsent), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.mark_as_read(unsent), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.mark_as_delivered(unsent), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.mark_message_as_unread(unsent), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.add_reaction(0, "x"), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.pin_message(0), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.get_message_receipts(0), "ERROR_INVALID_MESSAGE_ID"),
        (lambda: chat.start_typing("bob", "usr"), "ERR_INVALID_RECEIVER_TYPE"),
        (lambda: chat.end_typing("bob", "usr"), "ERR_INVALID_RECEIVER_TYPE"),
        (lambda: chat.send_message(TextMessage(receiver="bob", receiver_type="usr", text="x")), "ERR_INVALID_RECEIV"),
        (lambda: chat.upload_attachments("bob", "usr", []), "ERR_INVALID_RECEIVER_TYPE"),
        (lambda: chat.get_conversation("bob", "usr"), "INVALID_CONVERSATION_TYPE"),
        (lambda: chat.send_message(TextMessage(receiver=sent.sender, text="x")), "give the uid of a user"),
        (lambda: chat.start_typing(sent.sender), "give the uid of a user"),
        (lambda: chat.upload_attachments(sent.sender, "user", []), "give the uid of a user"),
        (lambda: chat.send_media_message(MediaMessage(receiver="bob", files="cat.jpg")), "give a list of files"),
        (lambda: chat.upload_attachments("bob", "user", b"a cat"), "give a list of files"),
        (lambda: chat.login("bob", auth_key=None), "auth_key is a NoneType: give a str"),
        (lambda: chat.login_with_auth_token(5), "auth_token is a int: give a str"),
        (lambda: chat.login("bob", auth_key="key\n"), "auth_key contains a line break"),
        (lambda: chat.login_with_auth_token("token\n"), "auth_token contains a line break"),
        (lambda: chat.login_with_auth_token("tokén"), "another character that cannot be sent"),
        (lambda: chat.create_user(User("dave", "Dave"), " key"), "auth_key contains a line break, a space at an end"),
    ):
        with pytest.raises(CometChatException, match=code):
            await call()
    for function, word in ((chat.set_app_state, "backgruond"), (chat.set_network, "of")):
        with pytest.raises(ValueError, match=word):
            function(word)
    stage.network.restore()


async def test_typing_ends_15_s_after_it_was_last_reported(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    began = stage.now
    await alice.chat.start_typing("bob")
    await stage.pass_time(10)
    await alice.chat.start_typing("bob")
    await bob.ears.until(lambda: bob.ears.all("typing ended") == ["alice"])
    assert 25 <= stage.now - began < 26


async def test_typing_ends_when_the_user_goes_offline(stage: Stage):
    bob, carol = await stage.enter("bob", presence=True), await stage.enter("carol")
    await carol.chat.start_typing("bob")
    await bob.ears.until(lambda: "carol" in bob.ears.all("typing"))
    began = stage.now
    await carol.chat.aclose()
    await bob.ears.until(lambda: bob.ears.all("typing ended") == ["carol"])
    assert stage.now - began < 14


async def test_end_of_typing_is_reported_once(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.chat.start_typing("bob")
    await alice.chat.end_typing("bob")
    await stage.pass_time(60)
    assert bob.ears.all("typing ended") == ["alice"]
