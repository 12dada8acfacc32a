"""The actions of a handler on a message."""

from __future__ import annotations

import asyncio

import pytest

from tailwire import AppSettingsBuilder, MediaMessage
from tailwire.bot import Bot, Context
from tailwire.bot.stream import MAX_STREAM_CHARACTERS
from tailwire.testing import bot_test


def a_bot() -> Bot:
    return Bot("app", AppSettingsBuilder().build(), uid="bob", auth_key="a key")


def test_long_reply_is_split_at_paragraphs():
    bot = a_bot()
    long = "\n\n".join(f"paragraph {n} " + "x" * 1500 for n in range(10))

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(long)

    with bot_test(bot) as chat:
        parts = chat.say("hi")
    assert len(parts) > 1
    assert all(part.startswith("paragraph") for part in parts)
    assert "\n\n".join(part.rstrip() for part in parts) == long


@pytest.mark.parametrize(
    ("reply", "error"),
    [(" \n ", ValueError), (7, TypeError), ("x" * (MAX_STREAM_CHARACTERS + 1), ValueError)],
    ids=["empty", "not a text", "too long"],
)
def test_invalid_reply_is_refused_and_nothing_is_sent(reply, error):
    bot, errors = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.reply(reply)

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(type(error))

    with bot_test(bot) as chat:
        assert chat.say("hi") == []
    assert errors == [error]


def test_history_returns_the_last_messages_of_the_conversation():
    bot, seen = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        seen.append([m.text for m in await ctx.history(3)])
        await ctx.reply(f"re {ctx.text}")

    with bot_test(bot) as chat:
        for text in ("a", "b", "d"):
            chat.say(text)
        chat.say("c", group="team")
    assert seen == [["a"], ["a", "re a", "b"], ["b", "re b", "d"], ["c"]]


def test_history_of_no_messages_is_refused():
    bot, errors = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.history(0)

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(type(error))

    with bot_test(bot) as chat:
        chat.say("hi")
    assert errors == [ValueError]


def test_typing_indicator_is_renewed_until_the_handler_fails():
    bot = a_bot()

    @bot.on_message
    async def answer(ctx: Context) -> None:
        async with ctx.typing():
            await asyncio.sleep(35)
            raise KeyError("model")

    with bot_test(bot) as chat:
        chat.post("hi")
        chat.wait(34)
        assert chat.typing() == ["started"] * 4
        chat.wait(2)
        assert chat.typing()[-1] == "ended"
        assert "started" not in chat.typing()[4:]


def test_text_of_a_media_message_is_its_caption():
    ctx = Context(None, MediaMessage(receiver="bob", caption="a cat"), {}, None)
    assert ctx.text == "a cat"


def test_representations_name_the_bot_and_the_message():
    bot, shown = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        shown.extend([repr(ctx), repr(bot)])

    with bot_test(bot) as chat:
        chat.say("hi")
    assert shown[0].endswith(", sender='alice', text='hi')")
    assert shown[1] == "Bot(uid='bob', handlers=1, running=True)"
