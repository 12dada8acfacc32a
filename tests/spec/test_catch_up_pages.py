"""Catch-up page by page: handed over as it is read, kept over a reconnect, paced by the app (K1, K4)."""

from __future__ import annotations

import asyncio
import logging

import httpx2
import pytest

from harness import CONNECTED, Actor, Stage
from sizes import size
from tailwire import CometChatException, ConnectionChanged, MemorySessionStore, MessageReceived
from tailwire.sdk.dispatch import queue as callback_queue

spec = pytest.mark.spec


class Requests:
    """Intercepts a client's requests for history: records each, and lets a test act at one of them."""

    def __init__(self, actor: Actor) -> None:
        self.queries: list[dict] = []
        self.answered: list[dict] = []
        self.at = {}
        self._honest = actor.chat._parts.incoming._fetch
        actor.chat._parts.incoming._fetch = self._fetch

    async def _fetch(self, query):
        self.queries.append(dict(query))
        act = self.at.get(len(self.queries))
        if act is not None:
            await act()
        listed = await self._honest(query)
        self.answered.append(dict(query))
        return listed

    @property
    def pages(self) -> list[int]:
        """The ids after which pages of messages were requested."""
        return [q["id"] for q in self.answered if "id" in q and "onlyUpdates" not in q]


async def miss_messages(stage: Stage, count: int, **settings) -> tuple[Actor, Actor, list[str]]:
    alice, bob = await stage.enter("alice"), await stage.enter("bob", **settings)
    await alice.say("bob", "before")
    await bob.ears.until(lambda: bob.ears.texts == ["before"])
    bob.chat.set_app_state("background")
    texts = [str(n) for n in range(count)]
    for begin in range(0, count, 100):
        await asyncio.gather(*(alice.say("bob", text) for text in texts[begin : begin + 100]))
    return alice, bob, ["before", *texts]


@pytest.mark.thorough
@pytest.mark.timeout(300)  # 2,000 sends on PostgreSQL, on a busy machine
@spec("K1")
async def test_first_page_is_handed_over_before_the_second_is_read(stage: Stage):
    _, bob, texts = await miss_messages(stage, size(200, 2000), limit=5000)
    requests, seen = Requests(bob), []

    async def second_page() -> None:
        await bob.ears.until(lambda: len(bob.ears.texts) == 21)
        seen.append(bob.ears.texts[1])

    requests.at[2] = second_page
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: len(bob.ears.texts) == len(texts))
    assert seen == ["0"]
    assert bob.ears.texts == texts
    assert len(requests.pages) <= len(texts) / 100 + 3


@spec("K1", "C10")
async def test_disconnect_during_catch_up_keeps_the_fetched_pages(stage: Stage):
    alice, bob, texts = await miss_messages(stage, 300, limit=5000)
    requests = Requests(bob)

    async def cut() -> None:
        stage.network.drop()

    requests.at.update({3: cut, 5: cut, 6: cut})
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: len(bob.ears.texts) > 100)
    await alice.say("bob", "live meanwhile")
    await bob.ears.until(lambda: len(bob.ears.texts) == len(texts) + 1)
    await stage.pass_time(30)
    assert bob.ears.texts == [*texts, "live meanwhile"]
    assert len(bob.ears.statuses) > 5  # the connection was cut
    assert requests.pages == sorted(set(requests.pages))
    assert bob.ears.all("gap") == []


@spec("K1", "S3")
async def test_app_restart_during_catch_up_continues_at_its_position(stage: Stage):
    store = MemorySessionStore()
    _, bob, texts = await miss_messages(stage, 300, limit=5000, store=store)
    requests = Requests(bob)
    never = asyncio.Event()
    requests.at[4] = never.wait
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: len(bob.ears.texts) == 141)
    last = bob.ears.all("text")[-1].id
    await bob.chat.aclose()
    again = stage.actor(store=store, limit=5000)
    await again.chat.init()
    again.listen()
    requests = Requests(again)
    await again.ears.until(lambda: len(again.ears.texts) == 160)
    assert bob.ears.texts + again.ears.texts == texts
    assert min(requests.pages) >= last


@spec("K4")
async def test_reading_does_not_run_ahead_of_a_slow_app(stage: Stage, monkeypatch):
    monkeypatch.setattr(callback_queue, "MAX_QUEUED_ENTRIES", 50)
    _, bob, texts = await miss_messages(stage, 200, limit=5000)
    requests, go_on = Requests(bob), asyncio.Event()
    note = bob.ears.on_text_message_received

    async def slow(message) -> None:
        await go_on.wait()
        note(message)

    bob.ears.on_text_message_received = slow
    bob.chat.set_app_state("foreground")
    await stage.pass_time(5)
    assert len(bob.chat._parts.queue._entries) <= 50 + 40  # the page that no longer fitted, and no further one
    assert len(requests.queries) == 2
    go_on.set()
    await bob.ears.until(lambda: len(bob.ears.texts) == len(texts))
    assert bob.ears.texts == texts


@spec("K1")
@pytest.mark.parametrize("error", [httpx2.DecodingError("no gzip"), ZeroDivisionError(), CometChatException("E", "x")])
async def test_failed_catch_up_is_retried_with_a_smaller_page(stage: Stage, error, caplog):
    _, bob, texts = await miss_messages(stage, 30)
    requests = Requests(bob)

    async def fail() -> None:
        raise error

    requests.at.update({1: fail, 2: fail, 4: fail})
    with caplog.at_level(logging.ERROR, "tailwire"):
        bob.chat.set_app_state("foreground")
        await bob.ears.until(lambda: len(bob.ears.texts) == len(texts))
    assert bob.ears.texts == texts
    assert [q["per_page"] for q in requests.queries[:3]] == [20, 10, 5]
    expected = 0 if isinstance(error, CometChatException) else 2  # once per failed page
    assert len([r for r in caplog.records if "catching up failed" in r.message]) == expected


@spec("K1")
async def test_undecodable_messages_do_not_end_catch_up(stage: Stage):
    _, bob, texts = await miss_messages(stage, 60)
    honest = bob.chat._parts.incoming._fetch

    async def spoiled(query):
        listed = await honest(query)
        if "onlyUpdates" not in query and query.get("id", 0) < 20:
            return [{"id": message["id"], "sender": 7} for message in listed]
        return listed

    bob.chat._parts.incoming._fetch = spoiled
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bob.ears.texts[-1] == "59")
    assert bob.ears.texts == ["before", *texts[21:]]


@spec("K4")
async def test_listener_awaiting_a_cancelled_task_does_not_end_catch_up(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    note = bob.ears.on_text_message_received

    async def careless(message) -> None:
        note(message)
        if message.text == "one":
            cancelled = asyncio.create_task(asyncio.sleep(1))
            cancelled.cancel()
            await cancelled

    bob.ears.on_text_message_received = careless
    bob.chat.set_app_state("background")
    await alice.say("bob", "one")
    await alice.say("bob", "two")
    bob.chat.set_app_state("foreground")
    await bob.ears.until(lambda: bob.ears.texts == ["one", "two"])


@spec("K1")
async def test_history_is_polled_without_a_socket(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    sent = await bob.say("alice", "mine")
    await alice.ears.until(lambda: bool(alice.ears.texts))
    poll = bob.chat._parts.incoming.poll
    for n in range(45):
        await alice.say("bob", str(n))
    poll()
    poll()  # no further request while it reads
    await bob.ears.until(lambda: len(bob.ears.texts) == 45)
    await stage.pass_time(20)
    await alice.chat.mark_as_read(alice.ears.all("text")[0])
    await alice.say("bob", "45")
    poll()
    await bob.ears.until(lambda: bool(bob.ears.all("read")))
    assert [r.message_id for r in bob.ears.all("read")] == [sent.id]
    poll()
    await stage.pass_time(5)
    assert bob.ears.texts == [str(n) for n in range(46)]
    assert (bob.ears.all("gap"), len(bob.ears.all("read"))) == ([], 1)
    assert CONNECTED not in bob.ears.statuses


@spec("K1")
async def test_socket_opened_during_polling_continues_from_its_position(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False)
    for n in range(100):
        await alice.say("bob", str(n))
    requests = Requests(bob)

    async def connect() -> None:
        await bob.chat.connect()
        await asyncio.sleep(0)

    requests.at[2] = connect
    bob.chat._parts.incoming.poll()
    await bob.ears.until(lambda: len(bob.ears.texts) == 100)
    bob.chat._parts.incoming.poll()
    await alice.say("bob", "live")
    await bob.ears.until(lambda: len(bob.ears.texts) == 101)
    await stage.pass_time(5)
    assert bob.ears.texts == [*(str(n) for n in range(100)), "live"]
    assert requests.pages == sorted(set(requests.pages))


@spec("K1")
async def test_polling_reports_a_gap_above_the_limit(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob", auto=False, limit=10)
    sent = [await alice.say("bob", str(n)) for n in range(30)]
    stream, seen = bob.chat.events(), []
    bob.chat._parts.incoming.poll()
    async for event in stream:
        seen.append(event)
        if isinstance(event, MessageReceived) and event.message.id == sent[-1].id:
            break
    stream.close()
    assert (seen[0].from_id, seen[0].to_id) == (0, sent[19].id)  # there was no message when bob logged in
    assert [e.message.text for e in seen if isinstance(e, MessageReceived)] == [str(n) for n in range(20, 30)]
    assert not [e for e in seen if isinstance(e, ConnectionChanged)]  # there is no connection
