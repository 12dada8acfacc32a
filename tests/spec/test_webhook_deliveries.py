"""Deliveries of webhooks: signatures, retries, failed deliveries, and sending them again."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from receiver import Receiver, until
from rest import Rest
from tailwire.server.app import assemble
from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.rules.triggers import TRIGGERS
from tailwire.server.store import migrate
from tailwire.server.telemetry.exposition import as_text

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"
TEXT = {"receiver": "bob", "receiverType": "user", "data": {"text": "one"}}
SENT = {"triggers": ["message_sent"]}


async def restart_with(stage, **settings):
    """Restart the server with other settings."""
    await stage.server.stop()
    stage.server._settings = dataclasses.replace(stage.server._settings, **settings)
    await stage.server.start()


async def send(rest, times=1):
    """Send messages, whose texts are numbers."""
    for _ in range(times):
        rest.sent += 1
        await rest("POST", "/messages", json={**TEXT, "data": {"text": str(rest.sent)}})


def documented_verification():
    """Return the documented function that verifies a signature."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    found: dict = {}
    exec(compile(code, DOCS.name, "exec"), found)
    return found["verify"]


async def test_delivery_is_signed_as_documented(stage):
    receiver, verify = Receiver(), documented_verification()
    receiver.listen()
    async with Rest(stage) as rest:
        made = await rest("POST", "/webhooks", json={**receiver.hook, **SENT})
        assert made["secret"].startswith("whsec_")
        await send(rest)
        await until(stage, lambda: len(receiver.received) == 1)
        (headers,), (body,) = receiver.headers, receiver.bodies
        now = int(headers["webhook-timestamp"])
        assert verify(made["secret"], headers, body, now)
        assert not verify(made["secret"], headers, body + b" ", now)
        assert not verify(made["secret"], headers, body, now + 301)
        assert not verify(made["secret"], {**headers, "webhook-id": "1-1"}, body, now)
        assert not verify("whsec_" + "A" * 32, headers, body, now)


async def test_each_retry_of_a_delivery_has_its_id_and_a_new_signature(stage):
    receiver, verify = Receiver(), documented_verification()
    receiver.status = 500
    receiver.listen()
    async with Rest(stage) as rest:
        made = await rest("POST", "/webhooks", json={**receiver.hook, **SENT})
        await send(rest)
        await until(stage, lambda: len(receiver.received) == 1)
        receiver.status = 200
        await until(stage, lambda: len(receiver.received) == 2)
        await send(rest)
        await until(stage, lambda: len(receiver.received) == 3)
        first, again, other = receiver.headers
        assert first["webhook-id"] == again["webhook-id"] != other["webhook-id"]
        assert 9 <= int(again["webhook-timestamp"]) - int(first["webhook-timestamp"]) <= 13
        assert re.fullmatch(r"Tailwire/\S+ \(webhooks\)", first["user-agent"])
        for headers, body in zip(receiver.headers, receiver.bodies, strict=True):
            assert verify(made["secret"], headers, body, int(headers["webhook-timestamp"]))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_documented_verifications_in_javascript_and_python_agree():
    (code,) = re.findall(r"```js\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", '{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    tries = [(body, 1614265331), (body + " ", 1614265331), (body, 1614265931)]
    calls = [f"verify({json.dumps(secret)}, headers, Buffer.from({json.dumps(b)}), {now})" for b, now in tries]
    script = f"{code}\nconst headers = {json.dumps(headers)};\nconsole.log(JSON.stringify([{', '.join(calls)}]));"
    answer = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True)
    verify = documented_verification()
    assert json.loads(answer.stdout) == [verify(secret, headers, b.encode(), now) for b, now in tries]
    assert json.loads(answer.stdout) == [True, False, False]


async def test_secret_can_be_given_and_is_shown_once(stage):
    receiver, verify = Receiver(), documented_verification()
    receiver.listen()
    ours, later = "whsec_" + "b3Vy" * 10, "whsec_" + "bGF0" * 10
    async with Rest(stage) as rest:
        made = await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w", "secret": ours})
        assert made["secret"] == ours
        for answer in (await rest("GET", "/webhooks/w"), await rest("PUT", "/webhooks/w", json={"secret": later})):
            assert "secret" not in answer
        await send(rest)
        await until(stage, lambda: len(receiver.received) == 1)
        (headers,), (body,) = receiver.headers, receiver.bodies
        assert verify(later, headers, body, int(headers["webhook-timestamp"]))


@pytest.mark.parametrize(
    "secret", ["x", "whsec_", "whsec_YQ==", "whsec_ü", "whsec_" + "!" * 40, "whsec_" + "YWFh" * 30]
)
async def test_invalid_secret_is_refused(stage, secret):
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**Receiver().hook, **SENT, "id": "w"})
        error = await rest.refused("ERR_BAD_REQUEST", "PUT", "/webhooks/w", json={"secret": secret})
        assert "secret" in error["details"]


@pytest.mark.sqlite
async def test_database_contains_no_password_or_secret_of_a_webhook(stage, tmp_path):
    receiver = Receiver()
    receiver.listen()
    async with Rest(stage) as rest:
        made = await rest(
            "POST", "/webhooks", json={**receiver.hook, **SENT, "username": "u", "password": "correct horse"}
        )
        await stage.server.stop()
        found = b"".join(file.read_bytes() for file in tmp_path.glob("*.db*"))
        assert made["id"].encode() in found
        assert b"correct horse" not in found
        assert made["secret"].removeprefix("whsec_").encode() not in found
        assert (tmp_path / "webhooks.key").stat().st_mode & 0o777 == 0o600
        await stage.server.start()
        await send(rest)
        await until(stage, lambda: len(receiver.received) == 1)
        assert receiver.headers[0]["authorization"].startswith("Basic ")


@pytest.mark.sqlite
async def test_deliveries_wait_with_another_key_file_until_the_secret_is_set_again(stage, tmp_path):
    receiver = Receiver()
    receiver.listen()
    async with Rest(stage) as rest:
        made = await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await stage.server.stop()
        (tmp_path / "webhooks.key").write_text("ab" * 32)
        await stage.server.start()
        await send(rest)
        await stage.pass_time(3)
        state = (await rest("GET", "/webhooks/w"))["state"]
        assert (receiver.received, state["waiting"]) == ([], 1)
        assert "set them again" in state["lastFailure"]
        await rest("PUT", "/webhooks/w", json={"secret": made["secret"]})
        await until(stage, lambda: len(receiver.received) == 1)


async def test_receiver_misses_nothing_after_an_outage(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest, 3)
        await stage.pass_time(65)
        receiver.listen()
        await until(stage, lambda: sorted(receiver.messages) == [1, 2, 3])
        stage.network.stop_listening(receiver.port)
        stage.network.drop()
        await send(rest, 20)
        await stage.pass_time(3 * 3600)
        state = (await rest("GET", "/webhooks/w"))["state"]
        assert (state["waiting"], state["failed"], state["lastFailure"][:12]) == (20, 0, "ConnectError")
        assert state["failingSince"] - state["lastSuccessAt"] < 60
        assert 0 <= state["waitingSince"] - state["lastSuccessAt"] < 60
        receiver.listen()
        await stage.pass_time(1.3 * 3600)  # the longest delay with jitter: all have been retried
        assert sorted(receiver.messages[3:]) == list(range(4, 24))
        assert receiver.messages[4:] == sorted(receiver.messages[4:])  # the first success, then in order
        assert (await rest("GET", "/webhooks/w"))["state"].keys() == {
            "waiting", "failed", "lastSuccessAt", "lastFailureAt", "lastFailure"
        }  # fmt: skip


async def let_two_fail(stage, rest):
    """Let two deliveries of the webhook `w` fail for ten minutes, so that they are given up. Return the receiver."""
    await restart_with(stage, webhook_retry_for=600.0, webhook_longest_gap=120.0)
    receiver = Receiver()
    receiver.status = 503
    receiver.listen()
    await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
    await send(rest, 2)
    await stage.pass_time(900)
    return receiver


async def test_delays_between_tries_grow_until_the_delivery_is_given_up(stage):
    async with Rest(stage) as rest:
        receiver = await let_two_fail(stage, rest)
        headers = [h for h in receiver.headers if h["webhook-id"] == receiver.headers[0]["webhook-id"]]
        times = [int(h["webhook-timestamp"]) for h in headers]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert [gap // 10 for gap in gaps[:2]] == [1, 3]
        assert 48 <= gaps[2] <= 74
        assert all(96 <= gap <= 146 for gap in gaps[3:-1])
        assert 599 <= times[-1] - times[0] <= 602


async def test_failed_deliveries_are_listed_counted_and_shown_with_their_data(stage):
    async with Rest(stage) as rest:
        receiver = await let_two_fail(stage, rest)
        page = await rest.answer("GET", "/webhooks/w/deliveries?per_page=1&page=2")
        (oldest,), meta = page.json()["data"], page.json()["meta"]["pagination"]
        assert (meta["total"], meta["total_pages"]) == (2, 2)
        tries = [h["webhook-id"] for h in receiver.headers].count(oldest["id"])
        assert (oldest["status"], oldest["problem"], oldest["attempts"]) == ("failed", "HTTP 503", tries)
        assert "data" not in oldest
        whole = await rest("GET", f"/webhooks/w/deliveries/{oldest['id']}")
        assert whole["data"]["message"]["data"]["text"] == "1"
        metrics = as_text(stage.server.parts.metrics).decode()
        assert 'tailwire_webhook_failed{webhook="w"} 2.0' in metrics


async def test_one_failed_delivery_or_all_are_sent_again_on_request(stage):
    async with Rest(stage) as rest:
        receiver = await let_two_fail(stage, rest)
        _, oldest = await rest("GET", "/webhooks/w/deliveries")
        receiver.status, before = 200, len(receiver.received)
        await rest("POST", f"/webhooks/w/deliveries/{oldest['id']}/retry")
        await until(stage, lambda: len(receiver.received) == before + 1)
        assert receiver.headers[-1]["webhook-id"] == oldest["id"]
        await rest.refused("ERR_DELIVERY_NOT_FOUND", "POST", f"/webhooks/w/deliveries/{oldest['id']}/retry")
        done = await rest("POST", "/webhooks/w/deliveries/retry")
        assert done["message"] == "1 deliveries are sent again."
        await until(stage, lambda: receiver.messages[-1] == 2)
        assert await rest("GET", "/webhooks/w/deliveries") == []


async def test_begin_and_end_of_a_failure_are_logged_once(stage, caplog):
    caplog.set_level(logging.INFO, "tailwire.server")
    async with Rest(stage) as rest:
        receiver = await let_two_fail(stage, rest)
        assert [r.getMessage() for r in caplog.records if " fails: " in r.getMessage()] == ["webhook w fails: HTTP 503"]
        receiver.status = 200
        await rest("POST", "/webhooks/w/deliveries/retry")
        await until(stage, lambda: receiver.messages[-2:] == [1, 2])
        await stage.pass_time(1)
        assert len([r for r in caplog.records if "works again" in r.getMessage()]) == 1


async def test_waiting_deliveries_are_listed_and_can_be_sent_now(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest, 2)
        await stage.pass_time(60)
        waiting = await rest("GET", "/webhooks/w/deliveries?status=waiting")
        assert [(d["status"], d["trigger"], d["attempts"]) for d in waiting] == [("waiting", "message_sent", 3)] * 2
        assert all(d["nextTryAt"] > d["lastTryAt"] > d["queuedAt"] for d in waiting)
        metrics = as_text(stage.server.parts.metrics).decode()
        assert 'tailwire_webhook_waiting{webhook="w"} 2.0' in metrics
        (age,) = re.findall(r'tailwire_webhook_oldest_seconds{webhook="w"} ([\d.]+)', metrics)
        assert 55 < float(age) < 65
        receiver.listen()
        await rest("POST", f"/webhooks/w/deliveries/{waiting[1]['id']}/retry")
        await stage.pass_time(1)
        assert receiver.messages[0] == 2


async def test_unknown_deliveries_and_statuses_are_refused(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**Receiver().hook, **SENT, "id": "w"})
        await rest.refused("ERR_BAD_REQUEST", "GET", "/webhooks/w/deliveries?status=lost")
        await rest.refused("ERR_WEBHOOK_NOT_FOUND", "GET", "/webhooks/nope/deliveries")
        for name in ("1", "1-1", "x", "9" * 30, "٣-1"):
            await rest.refused("ERR_DELIVERY_NOT_FOUND", "GET", f"/webhooks/w/deliveries/{name}")


async def test_slow_receiver_does_not_delay_others(stage):
    slow, good = Receiver(9001), Receiver(9002)
    slow.seconds = 5.0
    slow.listen()
    good.listen()
    async with Rest(stage) as rest:
        for receiver in (slow, good):
            await rest("POST", "/webhooks", json={**receiver.hook, **SENT})
        await send(rest)
        await stage.pass_time(0.5)
        await send(rest, 20)
        await stage.pass_time(1)
        assert good.messages == list(range(1, 22))


async def test_briefly_recovered_receiver_is_not_flooded(stage):
    receiver = Receiver()
    receiver.status = 500
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest, 30)
        await stage.pass_time(75)  # their next attempts are at 88 to 112 s
        before = len(receiver.received)
        receiver.statuses = [200]
        await send(rest)
        await stage.pass_time(2)
        # The new delivery succeeded, three waiting ones failed, and the others keep their schedule.
        assert len(receiver.received) - before == 1 + 3
        assert receiver.messages[-4:] == [31, 1, 2, 3]


async def test_intermittent_failures_do_not_flood_the_log(stage, caplog):
    caplog.set_level(logging.INFO, "tailwire.server")
    receiver = Receiver()
    receiver.statuses = [500, 200] * 30
    receiver.listen()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w", "retryOnFailure": False})
        for _ in range(60):
            await send(rest)
            await stage.pass_time(10)
        logged = [r.getMessage().partition(":")[0] for r in caplog.records if "webhook w" in r.getMessage()]
        assert logged == ["webhook w fails", "webhook w works again after 10 s; 0 deliveries are waiting"] * 2


async def test_delivery_without_retries_is_tried_once_and_kept(stage, caplog):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w", "retryOnFailure": False})
        for _ in range(5):
            await send(rest)
            await stage.pass_time(1)
        state = (await rest("GET", "/webhooks/w"))["state"]
        assert (state["waiting"], state["failed"]) == (0, 5)
        assert len([r for r in caplog.records if " fails: " in r.getMessage()]) == 1
        receiver.listen()
        await rest("POST", "/webhooks/w/deliveries/retry")
        await stage.pass_time(1)
        assert receiver.messages == [1, 2, 3, 4, 5]


async def test_deliveries_of_a_disabled_webhook_are_kept(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest)
        await stage.pass_time(1)
        await rest("PUT", "/webhooks/w", json={"enabled": False})
        receiver.listen()
        await stage.pass_time(60)
        (kept,) = await rest("GET", "/webhooks/w/deliveries")
        assert (receiver.received, kept["problem"]) == ([], "the webhook is disabled")
        await rest("PUT", "/webhooks/w", json={"enabled": True})
        await rest("POST", "/webhooks/w/deliveries/retry")
        await stage.pass_time(1)
        assert receiver.messages == [1]


async def test_deliveries_are_deleted_with_their_webhook(stage):
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest)
        await stage.pass_time(1)
        assert (await rest("GET", "/webhooks/w"))["state"]["waiting"] == 1
        await rest("DELETE", "/webhooks/w")
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        assert (await rest("GET", "/webhooks/w"))["state"] == {"waiting": 0, "failed": 0}


async def test_failed_deliveries_are_limited_in_number_and_age(stage):
    await restart_with(
        stage, max_webhook_waiting=3, max_webhook_failed=2, webhook_failed_for=1000.0, webhook_retry_for=0.0
    )
    receiver = Receiver()
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**receiver.hook, **SENT, "id": "w"})
        await send(rest, 10)
        state = (await rest("GET", "/webhooks/w"))["state"]
        assert (state["waiting"], state["failed"]) == (3, 2)
        failed = await rest("GET", "/webhooks/w/deliveries")
        assert {d["problem"] for d in failed} == {"too many were waiting: the oldest were given up"}
        await stage.pass_time(60)
        state = (await rest("GET", "/webhooks/w"))["state"]
        assert (state["waiting"], state["failed"]) == (0, 2)
        assert tuple(await stage.server.parts.store.database.first_row("SELECT count(*) FROM deliveries")) == (2,)
        await stage.pass_time(2 * 3600)
        assert (await rest("GET", "/webhooks/w"))["state"]["failed"] == 0


@pytest.mark.sqlite
async def test_delivery_of_a_rolled_back_transaction_is_not_counted(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json={**Receiver().hook, **SENT, "id": "w"})
        store = stage.server.parts.store

        def half(c):
            store.deliveries.enqueue(c, "w", "message_sent", b"{}")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await store.database.write(half)
        assert store.deliveries.waiting_counts() == {}


async def test_all_triggers_are_listed_and_accepted_by_a_webhook(stage):
    async with Rest(stage) as rest:
        listed = await rest("GET", "/webhooks/triggers")
        names = [t["trigger"] for t in listed]
        assert names == list(TRIGGERS)
        assert all(t["description"] for t in listed)
        made = await rest("POST", "/webhooks", json={**Receiver().hook, "triggers": names})
        assert sorted(made["triggers"]) == sorted(names)


async def test_webhook_whose_id_is_part_of_another_path_is_refused(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "POST", "/webhooks", json={**Receiver().hook, **SENT, "id": "triggers"})


@pytest.mark.virtual
async def test_upgraded_database_keeps_webhooks_and_queues(tmp_path):
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    path = tmp_path / "tailwire.db"
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.commit()
    engine.dispose()
    with sqlite3.connect(path) as c:
        c.execute(
            "INSERT INTO webhooks VALUES ('w', 'W', 'http://hook:9000/in', 'message_sent', 'u', 'plain', 1, 1, 5)"
        )
        c.execute("INSERT INTO deliveries (webhook, trigger, body, attempt, due_at) VALUES ('w', 't', '{}', 1, 9)")
    c.close()
    parts = await assemble(Settings(data=str(tmp_path)), World())
    row = await parts.store.webhooks.get("w")
    assert row.secret is None
    assert row.password.startswith("sealed:")
    (waiting,) = await parts.store.deliveries.due_deliveries("w", 10, 10)
    assert (waiting.attempt, waiting.queued_at > 0) == (1, True)
    await parts.webhooks.close()
    await parts.store.close()
