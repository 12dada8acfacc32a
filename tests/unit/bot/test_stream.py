"""Streamed replies: drafts, stopping, and the splitting of long texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire import AppSettingsBuilder
from tailwire.bot import Bot, Context
from tailwire.bot.stream import MAX_STREAM_CHARACTERS, MAX_TEXT_BYTES, json_size, split
from tailwire.testing import bot_test


def a_bot() -> Bot:
    return Bot("app", AppSettingsBuilder().build(), uid="bob", auth_key="a key")


async def words(count: int, pause: float = 0.1, word: str = "word") -> AsyncIterator[str]:
    for n in range(count):
        yield f"{word}{n} "
        await asyncio.sleep(pause)


def test_drafts_are_limited_to_four_a_second():
    bot = a_bot()

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.stream(words(30, pause=0.1))

    with bot_test(bot) as chat:
        chat.say("hi")
        assert 10 <= len([d for d in chat.drafts if not d.ended]) <= 13  # three seconds


def test_updates_of_a_draft_are_growing_prefixes_of_the_message():
    bot = a_bot()

    @bot.on_message
    async def answer(ctx: Context) -> None:
        sent = await ctx.stream(words(30))
        assert sent.metadata == {"draft": f"{ctx.message.id}.1"}

    with bot_test(bot) as chat:
        (text,) = chat.say("hi")
        assert text == " ".join(f"word{n}" for n in range(30)), "whitespace at the end is removed"
        grown = [d.text for d in chat.drafts if not d.ended]
        assert all(f"{text} ".startswith(part) for part in grown)
        assert grown == sorted(grown, key=len)
        assert [d.ended for d in chat.drafts].count(True) == 1 == chat.drafts[-1].ended
        assert {d.id for d in chat.drafts} == {chat.answers[0].metadata["draft"]}
        assert chat.drafts[0].sender.uid == "bob"


def test_only_the_author_of_the_question_can_stop_a_streamed_reply():
    bot, ends = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        try:
            await ctx.stream(words(1000))
        except asyncio.CancelledError:
            ends.append("stopped" if ctx.stopped else "ended")
            raise

    with bot_test(bot) as chat:
        question = chat.post("hi")
        chat.wait(3)
        assert ends == []
        chat.stop_draft(chat.drafts[-1], user="mallory")
        chat.wait(1)
        assert ends == []
        chat.stop_draft(chat.drafts[-1])
        chat.wait(1)
        assert ends == ["stopped"]
        (text,) = chat.heard()
        assert text.startswith("word0 word1")
        assert "word100" not in text
        assert chat.drafts[-1].ended
        chat.stop_draft(chat.drafts[-1])
        chat.post("and again")  # the conversation continues
        chat.wait(2)
        assert chat.drafts[-1].reply_to != question.id
        assert not chat.drafts[-1].ended


def streaming_bot(parts: Callable[[], AsyncIterator[str]]) -> tuple[Bot, list[type]]:
    """Return a bot that answers each message with a stream, and the types of its errors."""
    bot, errors = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.stream(parts())

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(type(error))

    return bot, errors


def test_slow_stream_has_one_draft_until_it_ends():
    bot, errors = streaming_bot(lambda: words(3, pause=40))
    with bot_test(bot) as chat:
        assert chat.say("hi") == ["word0 word1 word2"]
        assert [d.ended for d in chat.drafts].count(True) == 1
    assert errors == []


def test_draft_of_a_stream_that_fails_ends_without_a_message():
    async def failing() -> AsyncIterator[str]:
        yield "so far"
        await asyncio.sleep(1)
        raise KeyError("model")

    bot, errors = streaming_bot(failing)
    with bot_test(bot) as chat:
        assert chat.say("hi") == []
        assert [(d.text, d.ended) for d in chat.drafts] == [("so far", False), ("so far", True)]
    assert errors == [KeyError]


def test_empty_stream_is_refused_without_a_draft():
    bot, errors = streaming_bot(lambda: words(0))
    with bot_test(bot) as chat:
        assert chat.say("hi") == []
        assert chat.drafts == []
    assert errors == [ValueError]


def test_endless_stream_is_stopped_at_the_limit():
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "x" * 5000
            await asyncio.sleep(0.1)

    bot, errors = streaming_bot(endless)
    with bot_test(bot) as chat:
        assert sum(map(len, chat.say("hi"))) == MAX_STREAM_CHARACTERS
        assert all(m.metadata["stopped"] for m in chat.answers)
    assert errors == []


def test_draft_of_a_long_stream_is_the_end_of_its_text_that_fits_a_message():
    bot, _ = streaming_bot(lambda: words(40, word="x" * 2000))
    with bot_test(bot) as chat:
        assert len(chat.say("hi")) > 1
        last = max(chat.drafts, key=lambda d: d.start)
        assert last.start > 0
        whole = "".join(f"{'x' * 2000}{n} " for n in range(40))
        assert last.text == whole[last.start : last.start + len(last.text)]
        assert json_size(last.text) <= MAX_TEXT_BYTES


def test_stream_that_is_not_an_async_iterator_of_strings_is_refused():
    bot, errors = a_bot(), []

    async def numbers() -> AsyncIterator[int]:
        yield 1

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.stream(numbers() if ctx.text == "hi" else [ctx.text])

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(str(error))

    with bot_test(bot) as chat:
        chat.say("hi")
        chat.say("list")
    assert errors == [
        "the stream yielded a int: yield parts of the text, as str",
        "parts is a list: give an async iterator of strings",
    ]


def test_concurrent_streams_have_separate_drafts():
    bot = a_bot()

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await asyncio.gather(ctx.stream(words(10, word="one")), ctx.stream(words(10, word="two")))

    with bot_test(bot) as chat:
        texts = chat.say("hi")
        assert sorted(text[:4] for text in texts) == ["one0", "two0"]
        ids = {message.metadata["draft"] for message in chat.answers}
        assert len(ids) == 2
        assert {d.id for d in chat.drafts} == ids
        for one in ids:
            assert [d.ended for d in chat.drafts if d.id == one].count(True) == 1
            assert len({d.text[:3] for d in chat.drafts if d.id == one}) == 1


def test_surrogates_in_separate_parts_of_a_stream_are_joined():
    bot = a_bot()

    async def halves() -> AsyncIterator[str]:
        for part in ("so ", "\ud83d", "\ude00", " far ", "\ude00 \ud83d"):
            yield part
            await asyncio.sleep(1)

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await ctx.stream(halves())
        await ctx.reply("\ud83d\ude00")

    with bot_test(bot) as chat:
        assert chat.say("hi") == ["so 😀 far \ufffd", "😀"]
        assert [d.text for d in chat.drafts if not d.ended][:2] == ["so ", "so "]
        assert "so 😀" in [d.text for d in chat.drafts]


@settings(deadline=None, max_examples=settings().max_examples // 2)
@given(st.text(max_size=400), st.integers(10, 60))
def test_split_loses_only_whitespace(text: str, longest: int):
    parts = list(split(text, longest))
    assert all(json_size(part) <= longest and part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a" * 25, ["a" * 10, "a" * 10, "a" * 5]),
        ("one two\n\nthree", ["one two", "three"]),
        ("one. two three", ["one. two", "three"]),
        (" ", []),
        ("", []),
    ],
)
def test_text_is_split_at_paragraphs_and_words(text: str, parts: list[str]):
    assert list(split(text, 10)) == parts
