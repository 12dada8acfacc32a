"""Handlers that hang, raise or ignore cancellation, and busy conversations, do not affect others."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tailwire import AppSettingsBuilder, ReactionChanged
from tailwire.bot import Bot, Context, queues
from tailwire.bot.bot import MAX_MISSED_MESSAGES
from tailwire.sdk.listeners import registry
from tailwire.testing import bot_test


def a_bot(**more) -> Bot:
    return Bot("app", AppSettingsBuilder().build(), uid="bob", auth_key="a key", **more)


def test_handler_times_out():
    bot, errors = a_bot(handler_timeout=60), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        if ctx.text == "hang":
            await asyncio.Event().wait()
        await ctx.reply(f"re {ctx.text}")

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(f"{ctx.text}: {error!r}")
        await ctx.reply("too slow")

    with bot_test(bot) as chat:
        assert chat.say("hang") == ["too slow"]
        assert chat.say("next") == ["re next"]
    assert errors == ["hang: TimeoutError('the handler did not end within 60 seconds')"]


def test_handler_that_ignores_cancellation_is_closed(caplog):
    bot, errors = a_bot(handler_timeout=60), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        while ctx.text == "hang":
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                continue
        await ctx.reply(f"re {ctx.text}")

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(type(error))

    with bot_test(bot) as chat, caplog.at_level(logging.ERROR, "tailwire.bot"):
        assert chat.say("hang") == []
        assert chat.say("next") == ["re next"]
    assert errors == [TimeoutError]
    assert "ended by force" in caplog.text


def test_handler_that_waits_for_something_cancelled_has_failed(caplog):
    bot, errors = a_bot(), []

    async def wait_for_a_cancelled_task() -> None:
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await wait_for_a_cancelled_task()

    @bot.on_event(ReactionChanged)
    async def reacted(event: ReactionChanged) -> None:
        await wait_for_a_cancelled_task()

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(repr(error))

    with bot_test(bot) as chat, caplog.at_level(logging.ERROR, "tailwire.bot"):
        chat.react(chat.post("hi"), "👍")
        chat.wait(1)
    text = "the handler waited for something that was cancelled"
    assert errors == [f"RuntimeError('{text}')"]
    assert caplog.text.count(f"RuntimeError: {text}") == 2
    assert [r.exc_info[2].tb_frame.f_code.co_name for r in caplog.records] == ["answer", "reacted"]


class Odd(BaseException):
    """A `BaseException` that is not an `Exception`."""


def test_base_exception_of_a_handler_is_contained(caplog):
    bot = a_bot()

    @bot.on_message
    async def answer(ctx: Context) -> None:
        if ctx.text == "odd":
            await asyncio.sleep(5)
            raise Odd
        await ctx.reply(f"re {ctx.text}")

    with bot_test(bot) as chat, caplog.at_level(logging.ERROR, "tailwire.bot"):
        chat.post("odd")
        chat.post("waits behind it")
        chat.wait(10)
        assert chat.heard() == ["re waits behind it"]
    assert "Odd" in caplog.text


def test_system_exit_ends_the_bot():
    bot, runs = a_bot(), []

    @bot.on_message
    async def leave(ctx: Context) -> None:
        runs.append(ctx.text)
        if ctx.text == "leave":
            raise SystemExit(3)

    with bot_test(bot) as bot_chat:
        bot_chat.post("leave")
        with pytest.raises(SystemExit):
            bot_chat.wait(5)
        bot_chat._running = None
        bot_chat.start()
        bot_chat.say("and again")
    assert runs == ["leave", "and again"]


@pytest.mark.slow
def test_only_interrupted_messages_are_handled_again(caplog):
    bot, runs = a_bot(handler_timeout=None), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        runs.append(ctx.text)
        if ctx.text == "hang" and runs.count("hang") == 1:
            await asyncio.Event().wait()
        await ctx.reply(f"re {ctx.text}")

    with bot_test(bot) as chat:
        chat.post("hang")
        for n in range(150):
            chat.post(f"c{n}", user="carol")
        chat.wait(60)
        assert len(chat.heard("carol")) == 150
        chat.stop()
        for n in range(3):
            chat.post(f"away{n}", user="carol")
        chat.start()
        chat.wait(60)
        assert chat.heard("carol")[150:] == ["re away0", "re away1", "re away2"]
        assert chat.heard() == ["re hang"]
    assert len(runs) == 1 + 150 + 1 + 3
    assert "not handled" not in caplog.text


@pytest.mark.slow
def test_busy_conversation_does_not_delay_others(monkeypatch):
    monkeypatch.setattr(registry, "MAX_EVENTS", 20)  # the stream stops reading when this many events are open
    bot, seen = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        if ctx.sender.uid != "alice":
            await asyncio.sleep(5)
        seen.append(ctx.text)
        await ctx.reply(ctx.text)

    with bot_test(bot) as chat:
        chat.say("warm")
        for n in range(40):
            chat.post(f"m{n}", user="mallory")
        for n in range(15):
            chat.post(f"d{n}", user="dave")
        chat.post("hi")
        chat.wait(1)
        assert chat.heard()[-1] == "hi"
        chat.wait(250)
        assert chat.heard("mallory") == [f"m{n}" for n in range(40)]
        assert chat.heard("dave") == [f"d{n}" for n in range(15)]
        chat.stop()
        chat.start()
        assert chat.say("all done") == ["all done"]
    assert len(seen) == 1 + 40 + 15 + 1 + 1


def test_queued_messages_survive_a_restart():
    bot, seen = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await asyncio.sleep(8)
        seen.append(ctx.text)

    with bot_test(bot) as chat:
        for n in range(6):
            chat.post(f"m{n}")
        chat.wait(1)
        chat.stop()
        assert seen == ["m0"]
        chat.start()
        chat.wait(60)
    assert seen == [f"m{n}" for n in range(6)]


def test_number_of_queued_messages_is_limited(monkeypatch, caplog):
    monkeypatch.setattr(queues, "MAX_QUEUED_EVENTS", 10)
    monkeypatch.setattr(queues, "MIN_QUEUED_PER_CONVERSATION", 1)
    bot, seen = a_bot(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await asyncio.sleep(10)
        seen.append(ctx.text)

    with bot_test(bot) as chat:
        for n in range(20):
            chat.post(f"m{n}")
        chat.wait(300)
        assert chat.say("later", timeout=60) == []
    assert seen[-1] == "later"
    assert len(seen) < 12
    assert caplog.text.count("too many messages are waiting in conversation") == 1


def test_bot_has_its_own_default_catch_up_limit():
    assert a_bot()._settings.catch_up_limit == MAX_MISSED_MESSAGES
    settings = AppSettingsBuilder().catch_up_after_reconnect(True).build()
    assert Bot("app", settings, uid="bob", auth_key="a key")._settings.catch_up_limit == MAX_MISSED_MESSAGES


@pytest.mark.parametrize("limit", [50, 1000])  # 1,000 is the default of other clients
def test_bot_keeps_the_catch_up_limit_of_its_settings(limit: int):
    settings = AppSettingsBuilder().catch_up_after_reconnect(limit=limit).build()
    assert Bot("app", settings, uid="bob", auth_key="a key")._settings.catch_up_limit == limit


@pytest.mark.parametrize("value", [0, -1, float("nan"), "10"])
def test_invalid_timeouts_are_refused(value):
    with pytest.raises(ValueError, match="handler_timeout"):
        a_bot(handler_timeout=value)
