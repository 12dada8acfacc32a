"""The programs of docs/bots.md run, including its test of a bot."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from tailwire.testing import bot_test

PAGE = Path(__file__).parents[2] / "docs" / "bots.md"
A_BOT, AN_AGENT, A_TEST = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def module(monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> types.ModuleType:
    """Return a code block of the page as a module."""
    made = types.ModuleType(name)
    monkeypatch.setenv("APP_ID", "app")
    monkeypatch.setenv("AUTH_KEY", "key")
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(code, name, "exec"), made.__dict__)
    return made


def test_documented_bot_and_its_test_run(monkeypatch):
    bot = module(monkeypatch, "my_bot", A_BOT).bot
    module(monkeypatch, "my_test", A_TEST).test_it_answers()
    with bot_test(bot) as chat:
        assert chat.say("hello") == ["You said: hello"]


def test_documented_agent_answers(monkeypatch):
    with bot_test(module(monkeypatch, "my_agent", AN_AGENT).bot) as chat:
        assert chat.say("hello") == ["I have read 1 messages, and the last was: hello"]
        assert len(chat.drafts) > 3
