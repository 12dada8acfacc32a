"""Every call of the client that sends a request to the server, with arguments."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from harness import Actor, Stage
from tailwire import (
    ChatClient,
    Conversation,
    CustomMessage,
    FlagDetail,
    Group,
    GroupMember,
    InteractiveMessage,
    MediaMessage,
    MutedConversation,
    MutedConversationType,
    NotificationPreferences,
    PushPlatforms,
    TextMessage,
    TransientMessage,
    UploadFile,
    User,
)

WITHOUT_THE_SERVER = frozenset({
    "aclose", "init", "disconnect", "ping", "logout", "wait_connected", "wait_disconnected",
    "connect", "start_typing", "end_typing", "send_transient_message", "stop_draft"})  # fmt: skip
"""Calls of the connection and over it, which do not ask the server by HTTP, and those that begin and end the client. Most of
them change what the next call finds."""
LOGINS = frozenset({"login", "login_with_auth_token"})
OVER_THE_SOCKET = frozenset({"mark_as_delivered", "mark_as_read"})
MAY_SUCCEED = frozenset({"live_messages", "live_conversations"})
"""A live list begins without a network."""
FILE = UploadFile(content=b"hello", name="a.txt")
MUTED = [MutedConversation("bob", MutedConversationType.ONE_ON_ONE, 4_000_000_000_000)]
ARGUMENTS: Mapping[str, Any] = {
    "guid": "group", "uid": "bob", "uids": ["bob"], "guids": ["group"], "message_id": 1, "reaction": "👍",
    "conversation_with": "bob", "conversation_type": "user", "receiver": "bob", "receiver_id": "bob",
    "receiver_type": "user", "auth_key": "key", "auth_token": "token", "scope": "admin", "tags": ["a"],
    "elements": ["a"], "user": User(uid="dora", name="Dora"), "group": Group(guid="group", name="Group"),
    "members": [GroupMember(uid="bob", name="Bob")], "detail": FlagDetail("spam"), "files": [FILE],
    "conversation": Conversation(conversation_id="alice_user_bob", conversation_type="user", conversation_with=User("bob")),
    "conversations": MUTED, "platform": PushPlatforms.FCM_FLUTTER_ANDROID, "token": "a" * 40,
    "preferences": NotificationPreferences(), "timezone": "Europe/Berlin",
    "message": TextMessage(id=1, receiver="bob", sender=User("bob", "Bob"), text="hello"),
}  # fmt: skip


def message_of(call: str, values: Mapping[str, Any]) -> Any:
    """Return the message that a call takes, new each time, because a client puts an id into it."""
    number = values["message_id"]
    to = {"receiver": values["receiver"], "receiver_type": values["receiver_type"]}
    kinds = {
        "send_message": lambda: TextMessage(**to, text="hello"),
        "send_media_message": lambda: MediaMessage(**to, type="file", files=[FILE]),
        "send_custom_message": lambda: CustomMessage(**to, type="place", custom_data={"a": 1}),
        "send_interactive_message": lambda: InteractiveMessage(**to, type="form", interactive_data={"title": "a"}),
        "send_transient_message": lambda: TransientMessage(*to.values(), {"a": 1}),
        "edit_message": lambda: TextMessage(id=number, **to, text="changed"),
    }
    return kinds[call]() if call in kinds else values["message"]


def calls(chat: ChatClient, **others: Any) -> dict[str, Any]:
    """Return a function without arguments for each call, by name. `others`: arguments instead of the usual ones."""
    made, arguments = {}, {**ARGUMENTS, **others}
    for name, method in inspect.getmembers(chat, inspect.ismethod):
        is_call = inspect.iscoroutinefunction(method)
        is_list = "AsyncIterator" in str(inspect.signature(method).return_annotation)
        if name.startswith("_") or not (is_call or is_list) or name in WITHOUT_THE_SERVER:
            continue
        needed = [
            p.name for p in inspect.signature(method).parameters.values() if p.default is p.empty or p.name == "uid"
        ]
        values = {p: message_of(name, arguments) if p == "message" else arguments[p] for p in needed}
        made[name] = _first(method, values) if is_list else _whole(method, values)
    return made


def _whole(method: Any, values: Mapping[str, Any]) -> Any:
    return lambda: method(**values)


def _first(method: Any, values: Mapping[str, Any]) -> Any:
    async def fetch() -> None:
        async for _ in method(**values):
            return

    return fetch


async def once_connected(stage: Stage) -> Actor:
    """Return a client that knows the server's settings, and has no socket."""
    alice = await stage.enter("alice", auto=False)
    await alice.chat.connect()
    await alice.chat.disconnect()
    return alice
