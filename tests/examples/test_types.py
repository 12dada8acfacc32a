"""A type checker accepts correct code that uses the SDK, and finds each invalid literal."""

from __future__ import annotations

import re
from pathlib import Path

from type_checking import assert_errors

ROOT = Path(__file__).parents[2]

WRONG = """
from tailwire import ChatClient, TextMessage

async def wrong(chat: ChatClient, text: TextMessage) -> None:
    TextMessage(receiver="bob", receiver_type="usr", text="x")
    chat.set_app_state("backgruond")
    chat.set_network("of")
    await chat.start_typing("bob", "usr")
    await chat.get_conversation("bob", "usr")
    await chat.upload_attachments("bob", "usr", [])
"""
EXAMPLES = ("echo_bot", "ai_agent", "ask")
RIGHT = """
from tailwire import AppState, ChatClient, ReceiverType, TextMessage

async def right(chat: ChatClient, text: TextMessage) -> str:
    TextMessage(receiver="team", receiver_type="group", text="x")
    TextMessage(receiver="team", receiver_type=ReceiverType.GROUP, text="x")
    chat.set_app_state("background")
    chat.set_app_state(AppState.FOREGROUND)
    await chat.start_typing(text.receiver, text.receiver_type)
    edited = await chat.edit_message(text)
    return edited.text + edited.sender.uid
"""


def test_type_checker_finds_invalid_literals(tmp_path):
    readme = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(readme) == 2
    files = {"a_bot": readme[0], "an_app": readme[1], "right": RIGHT, "wrong": WRONG}
    for example in EXAMPLES:
        files[example] = (ROOT / "examples" / f"{example}.py").read_text()
    assert_errors(tmp_path, files, range(5, 11))
