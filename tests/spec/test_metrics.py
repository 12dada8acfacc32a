"""`/metrics` and `/health` (docs/operating.md)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from harness import Stage
from rest import Rest
from tailwire import MediaMessage, UploadFile
from tailwire.server.config import Settings
from tailwire.server.telemetry.metrics import Metrics
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import PORT, VirtualServer
from tailwire.wire.frames import PROOF_HEADER

ROOT = Path(__file__).resolve().parents[2]
Values = dict[tuple[str, ...], float]


async def metrics(rest: Rest) -> Values:
    """Return all values, by name and the values of the labels, in the order of their names."""
    text = (await rest.answer("GET", "/metrics")).text
    found: Values = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, *(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


@pytest.fixture
def configured(stage: Stage, tmp_path, request) -> Stage:
    """Give the server of the stage the settings of a test."""
    stage.server = VirtualServer(tmp_path, Settings(data=str(tmp_path), **{**UNLIMITED, **request.param}))
    return stage


async def test_latencies_are_counted_in_histograms(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        before = await metrics(rest)
        await alice.say("bob", "one")
        await alice.say("bob", "two")
        await rest("GET", "/users/bob", as_="alice")
        after = await metrics(rest)
    sends, commits = "tailwire_send_seconds", "tailwire_commit_seconds"
    assert after[f"{sends}_count",] - before[f"{sends}_count",] == 2
    assert after[f"{sends}_bucket", "+Inf"] == after[f"{sends}_count",]
    assert after[f"{commits}_count",] - before[f"{commits}_count",] >= 2
    assert 0 < after[f"{commits}_sum",] - before[f"{commits}_sum",] < 60
    for method, least in (("POST", 2), ("GET", 2)):
        key = ("tailwire_request_seconds_count", method)
        assert after[key] - before.get(key, 0) >= least
    buckets = [value for key, value in after.items() if key[0] == f"{sends}_bucket"]
    assert buckets == sorted(buckets)


async def test_users_and_sockets_are_counted(stage: Stage):
    await stage.enter("alice")
    await stage.enter("alice")
    async with Rest(stage) as rest:
        found = await metrics(rest)
    assert found["tailwire_users_online",] == 1
    assert found["tailwire_sockets",] == 2


async def test_sizes_of_uploads_database_and_disk_are_reported(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        before = await metrics(rest)
        await alice.chat.send_media_message(
            MediaMessage(receiver="bob", files=[UploadFile(name="a.bin", content=b"x" * 5000)])
        )
        await stage.pass_time(61)
        after = await metrics(rest)
    assert after["tailwire_uploads_bytes",] - before["tailwire_uploads_bytes",] == 5000
    assert after["tailwire_database_bytes",] >= 4096
    if stage.postgres is None:  # the log of PostgreSQL belongs to all its databases
        assert after["tailwire_database_wal_bytes",] > 0
    assert after["tailwire_disk_free_bytes",] > 0


async def test_versions_and_the_delay_of_the_event_loop_are_reported(stage: Stage):
    async with Rest(stage) as rest:
        found = await metrics(rest)
    (build,) = [key for key in found if key[0] == "tailwire_build_info"]
    assert all(re.fullmatch(r"\d+\.\d+\S*", version) for version in build[1:])
    assert found["tailwire_loop_lag_seconds",] == found["tailwire_loop_lag",]


@pytest.mark.parametrize("configured", [{"requests_per_minute": 8, "max_body": 1000}], indirect=True)
async def test_refusals_are_counted_by_limit_and_code(stage: Stage, configured: Stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_TOO_LARGE", "POST", "/users", json={"uid": "x", "name": "x" * 2000})
        for _ in range(4):
            answer = await rest.answer("GET", "/users/bob", as_="alice")
        assert answer.status_code == 429
        found = await metrics(rest)
    assert found["tailwire_refusals_total", "max_body"] == 1
    assert found["tailwire_refusals_total", "requests_per_minute"] >= 1
    assert found["tailwire_errors_total", "ERR_TOO_LARGE"] == 1
    assert found["tailwire_errors_total", "ERR_TOO_MANY_REQUESTS"] >= 1


async def test_requests_without_valid_credentials_do_not_create_series_for_their_values(stage: Stage):
    async with Rest(stage) as rest:
        await rest.answer("GET", "/users/bob", headers={"apikey": "wrong"})
        await rest.answer("GET", "/no/such/path")
        before = set(await metrics(rest))
        for n in range(50):
            await rest.answer(f"M{n}", f"/path{n}", headers={"apikey": f"key{n}", "appid": f"app{n}"})
            await rest.answer("GET", f"/users/u{n}", headers={"apikey": f"key{n}", "x-request-id": f"id{n}"})
            await rest.answer("GET", f"/users/u{n}")
        new = set(await metrics(rest)) - before
    labels = {label for key in new for label in key[1:]}
    assert not [label for label in labels if re.search(r"M\d|path\d|key\d|app\d|id\d|u\d", label)]
    assert len({key[:2] for key in new}) < 25, new


async def test_webhook_tries_are_counted_by_webhook(stage: Stage):
    hook = {"id": "backend", "name": "B", "webhookUrl": "http://127.0.0.1:9/", "triggers": ["message_sent"]}
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await rest("POST", "/webhooks", json=hook)
        await alice.say("bob", "hello")
        await stage.pass_time(1)
        found = await metrics(rest)
        assert found["tailwire_webhook_tries_total", "put off", "backend"] == 1
        assert found["tailwire_webhook_waiting", "backend"] == 1


def test_series_of_webhooks_are_bounded():
    counted = Metrics()
    for n in range(1000):
        counted.count_webhook_attempt(f"webhook-{n}", "sent")
    assert len(counted.webhook_tries) <= 301
    assert sum(counted.webhook_tries.values()) == counted.webhooks["sent"] == 1000


async def test_docs_and_alarm_rules_name_metrics_that_exist(stage: Stage):
    async with Rest(stage) as rest:
        text = (await rest.answer("GET", "/metrics")).text
    groups = yaml.safe_load((ROOT / "deploy/alerts.yml").read_text(encoding="utf-8"))["groups"]
    assert all(rule["alert"] and "tailwire" in rule["expr"] for group in groups for rule in group["rules"])
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    if stage.postgres is not None:  # whose log belongs to all its databases
        known.add("tailwire_database_wal_bytes")
    known |= {f"{name}{end}" for name in known for end in ("_bucket", "_count", "_sum")}
    for file in ("docs/operating.md", "docs/server.md", "docs/webhooks.md", "deploy/alerts.yml", "deploy/grafana.json"):
        named = set(re.findall(r"\btailwire_\w+", (ROOT / file).read_text(encoding="utf-8")))
        assert not named - known, (file, named - known)


# Health.


async def test_server_that_drains_is_alive_and_not_ready(stage: Stage):
    async with Rest(stage) as rest:
        for path in ("/health", "/health/live", "/health/ready"):
            assert (await rest("GET", path))["status"] == "ok"
        stage.server.parts.observers.health.draining = True
        error = await rest.refused("ERR_UNAVAILABLE", "GET", "/health/ready")
        assert "about to stop" in error["details"]
        assert (await rest.answer("GET", "/health/live")).status_code == 200
        assert (await rest.answer("GET", "/health")).status_code == 200


async def test_server_that_cannot_write_is_alive_and_not_ready(stage: Stage):
    async with Rest(stage) as rest:
        store = stage.server.parts.store
        errors = store.database.writer.errors if stage.postgres is None else store.lane.errors
        errors.current = "database or disk is full"
        for path, status in (("/health", 503), ("/health/ready", 503), ("/health/live", 200)):
            assert (await rest.answer("GET", path)).status_code == status


# Host names.


@pytest.mark.parametrize("configured", [{"allowed_hosts": "chat.example, *.inner.example"}], indirect=True)
@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("chat.example", True),
        ("CHAT.example:8480", True),
        ("chat.example.", True),
        ("a.inner.example", True),
        ("inner.example", False),
        ("evil.example", False),
        ("chat.example.evil.example", False),
        ("evilinner.example", False),
    ],
)
async def test_requests_and_sockets_are_served_only_under_allowed_host_names(
    stage: Stage, configured: Stage, host, allowed
):
    async with Rest(stage) as rest:
        answer = await rest.answer("GET", "/settings", headers={"host": host})
        assert answer.status_code == (200 if allowed else 421)
        if not allowed:
            assert answer.json()["error"]["code"] == "ERR_HOST_NOT_ALLOWED"
        assert (await rest.answer("GET", "/health/ready", headers={"host": host})).status_code == 200
    if allowed:
        async with connect(f"ws://{host.removesuffix(':8480')}/", host="server", port=PORT) as ws:
            await ws.close()
    else:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{host.removesuffix(':8480')}/", host="server", port=PORT)
        assert refused.value.response.status_code == 421
        assert json.loads(refused.value.response.body)["error"]["code"] == "ERR_HOST_NOT_ALLOWED"


async def test_upgrade_with_repeated_headers_is_accepted(stage: Stage, caplog):
    twice = [(PROOF_HEADER, "a"), (PROOF_HEADER, "b"), ("Host", "other.example")]
    async with connect(f"ws://server:{PORT}/", additional_headers=twice) as ws:
        await (await ws.ping())
        assert ws.response.status_code == 101
    assert "Exception" not in caplog.text
