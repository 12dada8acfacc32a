"""Which handler gets a message, and what happens to its errors."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tailwire import AppSettingsBuilder, MessageReceived, ReactionChanged
from tailwire.bot import Bot, Context
from tailwire.testing import bot_test


def a_bot(**more) -> Bot:
    more.setdefault("auth_key", "a key")
    return Bot("app", AppSettingsBuilder().build(), **{"uid": "bob", **more})


def test_first_matching_handler_answers():
    bot = a_bot()

    @bot.command("help", "h")
    async def on_help(ctx: Context) -> None:
        await ctx.reply(f"help {ctx.args}", thread=True)

    @bot.on_message(pattern=r"^(\d+)\+(\d+)$")
    async def add(ctx: Context) -> None:
        await ctx.reply(str(int(ctx.match[1]) + int(ctx.match[2])))
        await ctx.react("🧮")

    @bot.on_message(group="team", mentioned=True)
    async def named(ctx: Context) -> None:
        await ctx.reply(f"{ctx.sender.name} named me in {ctx.conversation.conversation_with.name}")

    @bot.on_message(direct=True)
    async def direct(ctx: Context) -> None:
        await ctx.reply(f"to me: {ctx.text}")

    with bot_test(bot) as chat:
        assert chat.say("/help me now") == ["help ['me', 'now']"]
        assert chat.answers[0].parent_message_id
        assert chat.say("/H") == ["help []"]
        assert chat.say("2+3", user="carol") == ["5"]
        assert chat.reactions == ["🧮"]
        assert chat.say("/helpless") == ["to me: /helpless"]
        assert chat.say("hello", group="team") == []
        assert chat.say("<@uid:bob> hello", group="team") == ["Alice named me in Team"]
        assert chat.say("<@uid:bob> hello", group="other") == []
        assert chat.say("hi", user="carol", group="team") == []


def test_messages_are_handled_in_order_per_conversation_and_concurrently_across_them():
    bot, steps = a_bot(), []

    @bot.on_message
    async def slow(ctx: Context) -> None:
        steps.append(f"begin {ctx.text}")
        await asyncio.sleep(100 if ctx.sender.uid == "alice" else 0)
        steps.append(f"end {ctx.text}")

    with bot_test(bot) as chat:
        chat.say("warm", user="carol")
        steps.clear()
        chat.post("a1")
        chat.post("a2")
        chat.post("c1", user="carol")
        chat.wait(150)
        assert steps == ["begin a1", "begin c1", "end c1", "end a1", "begin a2"]
        chat.wait(60)
        assert steps[-1] == "end a2"


def test_concurrency_is_limited():
    bot, running, most = a_bot(concurrency=2), 0, 0

    @bot.on_message
    async def slow(ctx: Context) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(10)
        running -= 1

    with bot_test(bot) as chat:
        for user in ("alice", "carol", "dave", "erin"):
            chat.post("hi", user=user)
        chat.wait(30)
    assert (most, running) == (2, 0)


def test_failed_handler_is_reported_and_not_retried(caplog):
    bot, runs = a_bot(), []

    @bot.on_message
    async def fails(ctx: Context) -> None:
        runs.append(ctx.text)
        raise KeyError(ctx.text)

    with bot_test(bot) as chat, caplog.at_level(logging.ERROR, "tailwire.bot"):
        assert chat.say("one") == []
        assert "a handler failed: test_failed_handler_is_reported_and_not_retried.<locals>.fails" in caplog.text
        (record,) = caplog.records
        assert record.exc_info[2].tb_frame.f_code.co_name == "fails", "the author's lines are the first"

        @bot.on_error
        async def sorry(ctx: Context, error: Exception) -> None:
            await ctx.reply(f"Sorry: {error!r}")

        assert chat.say("two") == ["Sorry: KeyError('two')"]
        chat.stop()
        chat.start()
        assert chat.say("three") == ["Sorry: KeyError('three')"]
    assert runs == ["one", "two", "three"]


def test_event_handlers_receive_their_events():
    bot, heard = a_bot(), []

    @bot.on_event(ReactionChanged)
    async def reacted(event: ReactionChanged) -> None:
        heard.append(event.event.reaction.reaction)

    @bot.on_event(MessageReceived)
    async def came(event: MessageReceived) -> None:
        heard.append(event.message.text)

    with bot_test(bot) as chat:
        chat.react(chat.post("hi"), "👍")
        chat.wait(1)
    assert heard == ["hi", "👍"]


@pytest.mark.parametrize(("ignored", "answers"), [(["default"], []), (["another"], ["hi"])])
def test_only_users_with_an_ignored_role_are_not_answered(ignored, answers):
    bot = a_bot(ignored_roles=ignored)

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.text)

    with bot_test(bot) as chat:
        assert chat.say("hi") == answers


def test_messages_are_answered_after_a_restart():
    bot = a_bot()

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.text)

    with bot_test(bot) as chat:
        assert chat.say("hi") == ["hi"]
        chat.stop()
        chat.post("missed")
        chat.start()
        chat.wait(5)
        assert chat.heard() == ["hi", "missed"]


def test_start_after_a_stop_waits_until_the_bot_is_connected():
    bot = a_bot()
    with bot_test(bot) as chat:
        assert bot.chat.get_connection_status() == "connected"
        chat.stop()
        chat.start()
        assert bot.chat.get_connection_status() == "connected"


def test_start_after_a_stop_raises_the_error_that_ends_the_bot(monkeypatch):
    async def broken() -> None:
        raise OSError("too many open files")

    bot = a_bot()
    with bot_test(bot) as chat:
        chat.stop()
        monkeypatch.setattr(bot, "_serve", lambda *_: broken())
        with pytest.raises(OSError, match="too many"):
            chat.start()


@pytest.mark.parametrize(
    "argument",
    [
        {"uid": ""},
        {"uid": 5},
        {"auth_key": ""},
        {"auth_token_provider": asyncio.sleep},
        {"concurrency": 0},
        {"concurrency": 1001},
        {"ignored_roles": "bot"},
    ],
)
def test_invalid_argument_of_a_bot_is_named_in_the_error(argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))}=.*give|give .*{next(iter(argument))}="):
        a_bot(**argument)


async def three(a: object, b: object, c: object) -> None: ...


def test_invalid_handlers_are_refused():
    bot = a_bot()
    with pytest.raises(TypeError, match="async def"):
        bot.on_message(lambda ctx: None)
    with pytest.raises(TypeError, match="pattern="):
        bot.on_message("hello")
    with pytest.raises(TypeError, match="async def"):
        bot.on_error(print)
    for add in (bot.on_message, bot.on_error, bot.on_event(MessageReceived)):
        with pytest.raises(TypeError, match=r"write async def three\("):
            add(three)
    with pytest.raises(TypeError, match="not an event type"):
        bot.on_event(str)
    for names in ((), ("/help",), ("two words",)):
        with pytest.raises(ValueError):
            bot.command(*names)


def test_chat_of_a_bot_that_does_not_run_is_refused():
    with pytest.raises(RuntimeError, match="not running"):
        _ = a_bot().chat


async def test_run_and_bot_test_are_refused_in_an_event_loop():
    with pytest.raises(RuntimeError, match=r"await bot\.serve"):
        a_bot().run()
    with pytest.raises(RuntimeError, match="not async"), bot_test(a_bot()):
        pass


def test_bot_test_refuses_to_write_as_the_bot():
    with pytest.raises(ValueError, match="bob is the bot"), bot_test(a_bot()) as chat:
        chat.say("hi", user="bob")
