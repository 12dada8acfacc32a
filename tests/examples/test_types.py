"""A type checker accepts correct code that uses the SDK, and finds each invalid literal."""

from __future__ import annotations

import re
from pathlib import Path

from type_checking import assert_errors

ROOT = Path(__file__).parents[2]

WRONG = """
from tailwire import BlockedUsersRequestBuilder, ChatClient, CometChat, TextMessage, UsersRequestBuilder

async def wrong(chat: ChatClient, text: TextMessage) -> None:
    TextMessage(receiver="bob", receiver_type="usr", text="x")
    chat.set_app_state("backgruond")
    chat.set_network("of")
    await chat.start_typing("bob", "usr")
    await chat.get_conversation("bob", "usr")
    await chat.upload_attachments("bob", "usr", [])
    chat.conversations(conversation_type="usr")
    await chat.update_group_member_scope("team", "bob", "boss")
    BlockedUsersRequestBuilder().set_direction("me")
    UsersRequestBuilder().sort_by_order("down").build(chat)
    await chat.get_user("bob", on_error=print)
    (await CometChat.get_user("bob", on_error=print)).name
"""
EXAMPLES = ("echo_bot", "ai_agent", "ask")
RIGHT = """
from tailwire import AppState, ChatClient, CometChat, ReceiverType, TextMessage, User

async def right(chat: ChatClient, text: TextMessage) -> str:
    TextMessage(receiver="team", receiver_type="group", text="x")
    TextMessage(receiver="team", receiver_type=ReceiverType.GROUP, text="x")
    chat.set_app_state("background")
    chat.set_app_state(AppState.FOREGROUND)
    await chat.start_typing(text.receiver, text.receiver_type)
    async for conversation in chat.conversations():
        await chat.delete_conversation("bob", conversation.conversation_type)
    users: list[User] = [user async for user in chat.users(page_size=50)] + [await chat.get_user("bob")]
    users.append(await CometChat.get_user("bob", on_success=users.append))
    maybe: User | None = await CometChat.get_user("bob", on_error=print)
    edited = await chat.edit_message(text)
    return edited.text + edited.sender.uid
"""


def test_type_checker_finds_invalid_literals(tmp_path):
    files = {"right": RIGHT, "wrong": WRONG}
    for page in ("README.md", "docs/connection.md"):
        programs = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        assert programs
        files |= {f"{Path(page).stem.lower()}_{number}": code for number, code in enumerate(programs)}
    for example in EXAMPLES:
        files[example] = (ROOT / "examples" / f"{example}.py").read_text()
    assert_errors(tmp_path, files, range(5, 17))
