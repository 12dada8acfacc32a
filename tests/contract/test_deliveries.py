"""The queue of deliveries to webhooks (see `tailwire.server.ports.webhook_store`), on each store."""

from __future__ import annotations

from dataclasses import replace

from contract.neighbours import Clock
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft, EditedContent, Event, GroupRow
from tailwire.server.ports.standing import MessageAct
from tailwire.server.ports.webhook_records import WebhookRow
from tailwire.server.store.sql.deliveries import QUEUE_FULL

EVENT = Event("group_created", b'{"x":1}')


def group(n: int) -> GroupRow:
    return GroupRow(f"g{n}", "G", "public", owner="alice", created_at=1)


def draft() -> Draft:
    place = key_of("alice", "bob", "user")
    return Draft(place, "alice", "bob", "user", "message", "text", b'{"data":{}}', 1)


async def test_changed_triggers_of_a_webhook_apply_to_the_next_event(open_store):
    store = await open_store()
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "group_created", created_at=1))
    await store.webhooks.change("w", lambda row: replace(row, triggers="message_sent"))
    await store.groups.add(group(1), events=[Event("group_created", b"{}")])
    await store.messages.add(draft()._replace(events=(Event("message_sent"),)))
    assert [row.trigger for row in await store.deliveries.due_deliveries("w", 2**40, 9)] == ["message_sent"]
    await store.webhooks.change("w", lambda row: replace(row, enabled=0))
    assert not store.webhooks.any_enabled
    await store.close()


async def test_each_step_of_a_delivery_updates_its_row_and_the_state_of_its_webhook(open_store):
    store = await open_store()
    woken = []
    store.webhooks.on_queued(lambda: woken.append(True))
    assert await store.webhooks.add(WebhookRow("w", "W", "http://hook", "group_created", created_at=1))
    assert not await store.webhooks.add(WebhookRow("w", "W", "http://other", "group_created", created_at=1))
    assert await store.webhooks.change("w", lambda row: replace(row, url="http://new")) == await store.webhooks.get("w")
    assert await store.webhooks.change("x", lambda row: row) is None
    assert store.webhooks.any_enabled
    assert await store.deliveries.last_id("w") == 0
    for n in range(3):
        assert await store.groups.add(group(n), events=[EVENT, Event("group_deleted", b"{}")])
    assert not await store.groups.add(group(0), events=[EVENT])  # nothing changed, so nothing is reported
    await store.webhooks.add_events([EVENT])
    assert len(woken) == 4
    first, second, third, fourth = await store.deliveries.due_deliveries("w", 100, 10)
    assert [(row.trigger, row.body, row.attempt, row.failed_at) for row in (first, fourth)] == [
        ("group_created", b'{"x":1}', 0, None)
    ] * 2
    assert await store.deliveries.last_id("w") == fourth.id

    state = await store.deliveries.state("w")
    # On PostgreSQL a count that was read between a commit and its answer is too high at first. `state` reads it again.
    assert store.deliveries.waiting_counts() == {"w": 4}
    assert (state.waiting_since, state.failed) == (first.queued_at, 0)
    assert store.deliveries.waiting_since("w") == first.queued_at

    await store.deliveries.put_off(first, 1000, 60, "no answer")
    assert [row.id for row in await store.deliveries.due_deliveries("w", 100, 10)] == [second.id, third.id, fourth.id]
    put_off = await store.deliveries.get("w", first.id)
    assert (put_off.attempt, put_off.due_at, put_off.first_try_at, put_off.last_try_at, put_off.problem) == (
        1, 1000, 60, 60, "no answer",
    )  # fmt: skip
    state = await store.deliveries.state("w")
    assert (state.last_failure_at, state.last_failure, state.failing_since, state.last_success_at) == (
        60, "no answer", 60, None,
    )  # fmt: skip

    await store.deliveries.give_up(second, 70, "refused")
    await store.deliveries.give_up(third, 71, "removed by hand", tried=False)
    assert store.deliveries.failed_counts() == {"w": 2}
    rows, count = await store.deliveries.find("w", failed=True, limit=10, offset=0)
    assert ([row.id for row in rows], count) == ([third.id, second.id], 2)
    assert [(row.attempt, row.first_try_at) for row in rows] == [(0, None), (1, 70)]
    state = await store.deliveries.state("w")
    assert (state.waiting, state.failed, state.last_failure, state.failing_since) == (2, 2, "refused", 60)

    assert await store.deliveries.send_again("w", [second.id, third.id, 10**9]) == 2
    again = await store.deliveries.get("w", second.id)
    assert (again.attempt, again.due_at, again.first_try_at, again.failed_at) == (0, 0, None, None)
    assert store.deliveries.waiting_counts() == {"w": 4}
    assert store.deliveries.failed_counts() == {}

    await store.deliveries.remove_delivered(first, 80)
    state = await store.deliveries.state("w")
    assert (state.last_success_at, state.failing_since, state.waiting) == (80, None, 3)
    assert await store.deliveries.get("w", first.id) is None
    await store.close()
    again = await open_store()
    assert again.deliveries.waiting_counts() == {"w": 3}
    assert await again.webhooks.remove("w")
    assert not await again.webhooks.remove("w")
    assert again.deliveries.waiting_counts() == {}
    assert not again.webhooks.any_enabled
    assert await again.deliveries.due_deliveries("w", 100, 10) == []
    await again.close()


async def test_failed_deliveries_are_kept_up_to_a_number_and_an_age(open_store):
    store = await open_store()
    store.deliveries.set_limits(max_waiting=100, max_failed=2, failed_seconds=100)
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "group_created", created_at=1))
    for n in range(4):
        await store.groups.add(group(n), events=[EVENT])
    rows = await store.deliveries.due_deliveries("w", 100, 10)
    for n, row in enumerate(rows):
        await store.deliveries.give_up(row, 10 * n, "refused")
    assert await store.deliveries.failed_ids("w") == [row.id for row in rows[2:]]
    assert (await store.deliveries.state("w")).waiting_since is None
    await store.deliveries.forget_old_failures(120)
    assert await store.deliveries.failed_ids("w") == [rows[3].id]
    assert store.deliveries.failed_counts() == {"w": 1}
    await store.close()


async def test_oldest_that_wait_for_a_webhook_are_given_up_when_too_many_do(open_store):
    store = await open_store(Clock())
    store.deliveries.set_limits(max_waiting=2, max_failed=10, failed_seconds=1000)
    for name in ("v", "w"):
        await store.webhooks.add(WebhookRow(name, name, "http://hook", f"to_{name}", created_at=1))

    async def queue(*webhooks: str) -> None:
        for name in webhooks:
            await store.webhooks.add_events([Event(f"to_{name}", b"{}")])

    await queue("v", "w", "w")
    first, second = await store.deliveries.due_deliveries("w", 100, 9)
    await store.deliveries.give_up(first, 5, "refused")
    await queue("w", "w", "v")
    waiting = await store.deliveries.due_deliveries("w", 100, 9)
    assert len(waiting) == 2
    assert second not in waiting
    assert await store.deliveries.failed_ids("w") == [first.id, second.id]
    assert (await store.deliveries.get("w", second.id)).problem == QUEUE_FULL
    assert (await store.deliveries.get("w", first.id)).problem == "refused"
    assert (await store.deliveries.state("w")).waiting == 2  # which also counts again
    counts = store.deliveries.waiting_counts(), store.deliveries.failed_counts()
    assert counts == ({"v": 2, "w": 2}, {"w": 2})
    await store.close()


async def test_webhook_events_of_edits_and_deletions_call_the_observer_of_the_queue(open_store):
    store = await open_store()
    woken = []
    await store.webhooks.add(WebhookRow("w", "W", "http://hook", "message_edited,message_deleted", created_at=1))
    message_id = (await store.messages.add(draft())).message.id
    store.webhooks.on_queued(lambda: woken.append(True))
    act = MessageAct(message_id, "alice", lambda standing: None)
    action = draft()._replace(events=(Event("message_edited"),))
    await store.messages.edit(act, 5, lambda _: EditedContent(b'{"data":{}}', 0), lambda _: action)
    assert len(woken) == 1
    action = draft()._replace(events=(Event("message_deleted"),))
    await store.messages.delete(act, 6, lambda _: b'{"data":{}}', lambda _: action)
    assert len(woken) == 2
    assert [row.trigger for row in await store.deliveries.due_deliveries("w", 10**10, 10)] == [
        "message_edited",
        "message_deleted",
    ]
    await store.close()
