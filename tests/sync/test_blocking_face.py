"""The blocking client and its types offer the same calls as `ChatClient`."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import make_sync_face
import tailwire.sync
from tailwire import ChatClient, MessagesRequest, UploadFileRequest
from tailwire.sdk.calls.connection import Connection
from tailwire.sdk.calls.list_requests import ListRequest
from tailwire.sdk.calls.reaction_requests import ReactionsRequest
from tailwire.sdk.live.conversations import LiveConversations
from tailwire.sdk.live.live_list import LiveList
from tailwire.sdk.live.messages import LiveMessages
from tailwire.sdk.outbox import OutboxEntry
from tailwire.sync import Client
from type_checking import assert_errors

OWN = {"close", "on_event", "request", "start", "with_timeout"}
OTHERWISE = {"aclose": "close"}


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(function: object) -> list[tuple[str, object, object]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]  # type: ignore[arg-type]


def test_methods_match_chat_client():
    assert public(Client) - OWN == {OTHERWISE.get(name, name) for name in public(ChatClient)} - OWN


@pytest.mark.parametrize("name", sorted(public(ChatClient) - set(OTHERWISE)))
def test_parameters_match_chat_client(name: str):
    theirs, ours = inspect.getattr_static(ChatClient, name), inspect.getattr_static(Client, name)
    assert inspect.getdoc(ours), name
    assert not inspect.iscoroutinefunction(ours)
    assert isinstance(theirs, property) == isinstance(ours, property)
    if not isinstance(ours, property):
        more = [p for p in parameters(ours) if p not in parameters(theirs)]
        assert [p for p in parameters(ours) if p not in more] == parameters(theirs)
        assert more == ([("timeout", inspect.Parameter.POSITIONAL_OR_KEYWORD, None)] if name == "events" else [])


def test_constructor_matches_chat_client():
    theirs, ours = parameters(ChatClient), parameters(Client)
    assert [p for p in ours if p in theirs] == theirs
    assert [p[0] for p in ours if p not in theirs] == ["post", "timeout", "on_event"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (tailwire.sync.ListRequest, ListRequest),
        (tailwire.sync.Request, MessagesRequest),
        (tailwire.sync.Request, ReactionsRequest),
        (tailwire.sync.UploadFileRequest, UploadFileRequest),
        (tailwire.sync.OutboxEntry, OutboxEntry),
        (tailwire.sync.proxies.Connection, Connection),
        (tailwire.sync.LiveConversations, LiveConversations),
        (tailwire.sync.LiveMessages, LiveMessages),
    ],
)
def test_proxies_match_their_async_classes(ours: type, theirs: type):
    attributes = {"message", "status", "error"} if theirs is OutboxEntry else set()
    if issubclass(theirs, LiveList):
        attributes = {"uid", "error"}
    more = [("timeout", inspect.Parameter.POSITIONAL_OR_KEYWORD, None)]  # of an iterator over changes
    assert public(ours) - {"start"} == (public(theirs) | attributes)
    for name in public(theirs) & {n for n in public(ours) if inspect.isfunction(getattr(ours, n))}:
        own_parameters = parameters(getattr(ours, name))
        assert (own_parameters if name != "changes" else [p for p in own_parameters if p not in more]) == parameters(
            getattr(theirs, name)
        ), name
        assert not inspect.iscoroutinefunction(getattr(ours, name))


def test_stub_is_current():
    text = make_sync_face.FACE.read_text(encoding="utf-8")
    assert text == make_sync_face.face(), "run `make reference`"
    (client,) = [n for n in ast.parse(text).body if isinstance(n, ast.ClassDef)]
    assert {n.name for n in client.body if isinstance(n, ast.FunctionDef)} == set(make_sync_face.taken_over())
    assert not [n for n in ast.walk(client) if isinstance(n, ast.AsyncFunctionDef)]


RIGHT = """
from concurrent.futures import Future
from tailwire import (
    AppSettingsBuilder, BaseMessage, GroupsRequestBuilder, MessageReceived, MessagesRequestBuilder, Reaction,
    ReactionsRequestBuilder, TextMessage, User,
)
from tailwire.sync import Client, post_qt

def plain() -> str:
    return "token"

async def token() -> str:
    return "token"

def right() -> int:
    settings = AppSettingsBuilder().set_region("us").build()
    with Client("app", settings, timeout=None, post=post_qt(), auth_token_provider=plain) as chat:
        user: User = chat.login("alice", auth_key="key")
        sent: TextMessage = chat.send_message(TextMessage(receiver="bob", receiver_type="user", text="x"))
        edited: TextMessage = chat.with_timeout(5).edit_message(sent)
        page: list[BaseMessage] = chat.request(MessagesRequestBuilder().set_uid("bob")).fetch_previous()
        some: list[Reaction] = chat.request(ReactionsRequestBuilder(sent.id)).fetch_next()
        names = [group.name for group in chat.request(GroupsRequestBuilder()).fetch_next()]
        for event in chat.events(timeout=1.5):
            if isinstance(event, MessageReceived):
                print(event.message.sender.uid)
        users: list[User] = list(chat.users(page_size=50))
        for message in chat.messages(uid="bob"):
            print(message.id)
        future: Future[User] = chat.start("get_user", "bob", done=print)
        stop = chat.on_event(lambda event: None)
        stop()
        chat.set_app_state("background", reason="window")
        entry = chat.queue_message(sent)
        stored: BaseMessage = entry.result()
        return stored.id + len(page) + len(some) + len(names) + len(user.uid + edited.text) + (future is None)
    Client("app", settings, auth_token_provider=token)
"""
WRONG = """
from tailwire import UsersRequestBuilder
from tailwire.sync import Client

async def wrong(chat: Client) -> None:
    await chat.login("alice", auth_key="key")
    chat.login("alice")
    chat.set_app_state("backgruond")
    chat.request(UsersRequestBuilder()).fetch_previous()
    chat.aclose()
    chat.messages(uid=3)
    chat.get_user("bob", on_error=print)
    chat.events(timeout="long")
    UsersRequestBuilder().build(chat)
"""


def test_type_checker_accepts_correct_calls_and_finds_wrong_ones(tmp_path: Path):
    assert_errors(tmp_path, {"right": RIGHT, "wrong": WRONG}, range(6, 15))
