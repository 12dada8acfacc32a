"""Bots under failures: an unreachable server, a revoked token, a shutdown that does not wait."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from harness import CONNECTED, Stage
from tailwire import ChatClient, CometChatException, MemorySessionStore
from tailwire.bot import Bot, Context
from tailwire.testing.virtual.world import VirtualSdkWorld


def a_bot(stage: Stage, **more) -> Bot:
    more.setdefault("auth_key", stage.server.auth_key)
    return Bot(stage.server.app_id, stage.settings(), uid="bob", **more)


class Ended(Exception):
    """A handler has ended the bot with `SystemExit`, which must not end the test's loop."""


@asynccontextmanager
async def serving(stage: Stage, bot: Bot, store: MemorySessionStore, **more):
    chat = ChatClient(
        stage.server.app_id,
        stage.settings(),
        session_store=store,
        world=VirtualSdkWorld(77),
        auth_token_provider=bot._provider,
    )

    async def serve() -> None:
        try:
            await bot._serve(chat, bot._auth_key)
        except SystemExit as e:
            raise Ended from e

    task = asyncio.create_task(serve())
    await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Ended):
            await task


async def until(condition) -> None:
    async with asyncio.timeout(600):
        while not condition():
            await asyncio.sleep(0.1)


async def test_revoked_token_is_replaced(stage: Stage):
    bot, alice, store = a_bot(stage), await stage.enter("alice"), MemorySessionStore()

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await ctx.reply(ctx.text)

    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        before = store.load(stage.server.app_id)["auth_token"]
        await stage.server.parts.actions.keys.delete_tokens("bob")
        await alice.say("bob", "are you there?")
        await alice.ears.until(lambda: alice.ears.texts == ["are you there?"], 600)
        assert store.load(stage.server.app_id)["auth_token"] != before


async def test_bot_waits_for_an_unreachable_server(stage: Stage, caplog: pytest.LogCaptureFixture):
    bot, alice, store = a_bot(stage), await stage.enter("alice"), MemorySessionStore()

    @bot.on_message
    async def echo(ctx: Context) -> None:
        if ctx.text == "long":
            await stage.server.kill()
        await ctx.reply(f"re {ctx.text}")

    await stage.server.kill()
    async with serving(stage, bot, store):
        await stage.pass_time(60)
        (warning,) = [r.getMessage() for r in caplog.records if r.name == "tailwire.bot"]
        assert warning.startswith("waiting for the server: NO_INTERNET_CONNECTION: Nothing listens"), "and only once"
        await stage.server.start()
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.wait_connected()
        await alice.say("bob", "long")
        await stage.pass_time(120)
        await stage.server.start()
        await alice.ears.until(lambda: alice.ears.texts == ["re long"], 600)


async def test_work_unfinished_at_shutdown_is_redone_at_the_next_start(stage: Stage):
    bot, alice, store, runs = a_bot(stage), await stage.enter("alice"), MemorySessionStore(), []

    @bot.on_message
    async def slow(ctx: Context) -> None:
        runs.append(ctx.text)
        if len(runs) == 1:
            await ctx.stream(endless())
        await ctx.reply("done")

    async def endless():
        while True:
            yield "word "
            await asyncio.sleep(1)

    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.say("bob", "one")
        await until(lambda: runs == ["one"])
        await stage.pass_time(5)
        began = stage.now
    assert 10 <= stage.now - began < 12
    assert alice.ears.texts == []
    async with serving(stage, bot, store):
        await alice.ears.until(lambda: alice.ears.texts == ["done"])
    assert runs == ["one", "one"]


async def test_bot_with_a_saved_session_says_once_why_it_is_not_connected(stage: Stage, caplog):
    bot, store = a_bot(stage), MemorySessionStore()
    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
    await stage.server.kill()
    async with serving(stage, bot, store):
        await stage.pass_time(120)
    (warning,) = [r.getMessage() for r in caplog.records if r.name == "tailwire.bot"]
    assert "no connection to the server: WS_CONNECTION_FAIL" in warning
    assert "nothing listens" in warning.lower()


async def test_saved_session_needs_no_login(stage: Stage):
    bot, store = a_bot(stage), MemorySessionStore()
    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
    token = store.load(stage.server.app_id)["auth_token"]
    bot._auth_key = "no key at all"
    async with serving(stage, bot, store):
        await until(lambda: bot.chat.get_connection_status() is CONNECTED)
    assert store.load(stage.server.app_id)["auth_token"] == token


async def test_provided_token_must_belong_to_the_bot(stage: Stage):
    async def token_of(uid: str):
        return await stage.server.token_for(uid)

    store = MemorySessionStore()
    good = a_bot(stage, auth_key="", auth_token_provider=lambda: token_of("bob"))
    async with serving(stage, good, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
    bad = a_bot(stage, auth_key="", auth_token_provider=lambda: token_of("carol"))
    with pytest.raises(ValueError, match="the token is carol's"):
        async with serving(stage, bad, MemorySessionStore()) as task:
            await asyncio.wait([task])


async def test_second_serve_of_a_running_bot_raises_an_error(stage: Stage):
    bot, store = a_bot(stage), MemorySessionStore()
    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        with pytest.raises(RuntimeError, match="running already"):
            await bot.serve()


@pytest.mark.parametrize("returned", [5, "", None])
async def test_provider_that_returns_no_token_ends_the_bot(stage: Stage, returned):
    async def provider():
        return returned

    bot = a_bot(stage, auth_key="", auth_token_provider=provider)
    with pytest.raises(ValueError, match=f"auth_token_provider= returned {returned!r}"):
        async with serving(stage, bot, MemorySessionStore()) as task:
            await asyncio.wait([task])


async def test_refused_login_ends_the_bot(stage: Stage):
    bot = a_bot(stage, auth_key="wrong")
    with pytest.raises(CometChatException, match="AUTH_ERR"):
        async with serving(stage, bot, MemorySessionStore()) as task:
            await asyncio.wait([task])


async def test_token_revoked_during_a_callback_loses_no_reply(stage: Stage):
    bot, alice, store, errors, taken = a_bot(stage), await stage.enter("alice"), MemorySessionStore(), [], []

    @bot.on_message
    async def echo(ctx: Context) -> None:
        await asyncio.sleep(1)
        if ctx.text in ("q5", "q10") and ctx.text not in taken:
            taken.append(ctx.text)
            await stage.server.parts.actions.keys.delete_tokens("bob")
        if ctx.text == "q10":
            assert await ctx.history(5)
        await ctx.reply(f"re {ctx.text}")
        await ctx.react("👍")

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append(error)

    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.say("bob", "warm")
        await alice.ears.until(lambda: alice.ears.texts == ["re warm"], 600)
        for n in range(20):
            await alice.say("bob", f"q{n}")
        await alice.ears.until(lambda: len(alice.ears.texts) == 21, 600)
    assert alice.ears.texts[1:] == [f"re q{n}" for n in range(20)]
    assert (errors, taken) == ([], ["q5", "q10"])


async def test_waiting_for_the_server_does_not_count_as_handler_time(stage: Stage):
    bot = a_bot(stage, handler_timeout=60)
    alice, store, errors = await stage.enter("alice"), MemorySessionStore(), []

    @bot.on_message
    async def answer(ctx: Context) -> None:
        await asyncio.sleep(20)
        await stage.server.kill()
        await asyncio.gather(ctx.reply("at last"), ctx.reply("both"))
        replied.append(stage.now)
        await asyncio.Event().wait()

    @bot.on_error
    async def failed(ctx: Context, error: Exception) -> None:
        errors.append((repr(error), stage.now))

    replied: list[float] = []
    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.say("bob", "hi")
        await stage.pass_time(900)
        await stage.server.start()
        await alice.ears.until(lambda: sorted(alice.ears.texts) == ["at last", "both"], 900)
        await until(lambda: errors)
    ((error, failed_at),) = errors
    assert error == "TimeoutError('the handler did not end within 60 seconds')"
    assert failed_at - replied[0] == pytest.approx(40, abs=1)


async def test_message_that_arrives_while_a_handler_ends_the_bot_is_handled_at_the_next_start(stage: Stage):
    alice, store, handled = await stage.enter("alice"), MemorySessionStore(), []

    def bot() -> Bot:
        bot = a_bot(stage)

        @bot.on_message
        async def handle(ctx: Context) -> None:
            handled.append(ctx.text)
            if ctx.text == "long":
                await asyncio.sleep(8)
            if ctx.text == "restart":
                raise SystemExit(3)

        return bot

    carol = await stage.enter("carol")
    async with serving(stage, bot(), store) as task:
        await until(lambda: store.load(stage.server.app_id) is not None)
        await carol.say("bob", "long")
        await until(lambda: handled == ["long"])
        await alice.say("bob", "restart")
        await until(lambda: handled == ["long", "restart"])
        await stage.pass_time(1)
        assert not task.done(), "the other handler may end"
        await alice.say("bob", "in the meantime")
        with pytest.raises(Ended):
            await task
    async with serving(stage, bot(), store):
        await until(lambda: handled == ["long", "restart", "in the meantime"])


@pytest.mark.parametrize("reached", [True, False])
async def test_shutdown_cancels_long_handlers_and_keeps_their_messages(stage: Stage, reached: bool):
    bot, alice, store, runs, refused = a_bot(stage), await stage.enter("alice"), MemorySessionStore(), [], []

    @bot.on_message
    async def stubborn(ctx: Context) -> None:
        runs.append(ctx.text)
        while len(runs) == 1:
            try:
                await asyncio.sleep(1000)
            except asyncio.CancelledError:
                assert not ctx.stopped
                try:
                    await ctx.reply("cut short")
                except RuntimeError as error:
                    refused.append(str(error))
        await ctx.reply("done")

    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.say("bob", "one")
        await until(lambda: runs == ["one"])
        if not reached:
            await stage.server.kill()
        began = stage.now
    assert stage.now - began < 30
    assert len(refused) == 1
    assert "handled again at its next start" in refused[0]
    if not reached:
        await stage.server.start()
    async with serving(stage, bot, store):
        await alice.ears.until(lambda: alice.ears.texts == ["done"], 600)
    assert runs == ["one", "one"]


async def test_concurrent_replies_are_stored_once_each_although_the_repeated_callback_sends_them_in_reverse(
    stage: Stage,
):
    bot, alice, store, runs = a_bot(stage), await stage.enter("alice"), MemorySessionStore(), []

    @bot.on_message
    async def both(ctx: Context) -> None:
        runs.append(ctx.text)
        first = len(runs) == 1

        async def say(text: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await ctx.reply(text)

        await asyncio.gather(say("weather", 1 if first else 2), say("news", 1000 if first else 1))

    async with serving(stage, bot, store):
        await until(lambda: store.load(stage.server.app_id) is not None)
        await alice.say("bob", "go")
        await alice.ears.until(lambda: alice.ears.texts == ["weather"], 60)
    async with serving(stage, bot, store):
        await alice.say("bob", "again")
        await alice.ears.until(lambda: len(alice.ears.texts) >= 4, 60)
    assert alice.ears.texts == ["weather", "news", "news", "weather"]
    assert runs == ["go", "go", "again"]
