"""Frames and responses of all users, compared with a model of permissions that was written from the documentation."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path

import pytest

from rights import permissions, stage
from rights.plan import STEPS, Plan, Step, make_plan
from rights.run import Deviation, Report, simulate
from rights.scenarios import OVERLAPS, PLANS, overlap, scenario
from rights.shrink import as_test, fails, shrink
from rights.stage import Backend

SEEDS = 4
BOSS, ACTOR, OTHER, STRANGER = "alice", "tom", "smith", "group_admin"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_plans_agree_with_the_model(seed):
    report = simulate(make_plan(seed))
    assert report.accepted >= 15  # else there is little to tell, and to look at
    assert report.looks > 1000


@pytest.mark.slow
def test_all_lists_of_all_users_match_after_each_step():
    plan = make_plan(SEEDS, 10)
    report = simulate(plan, all_views=True)
    assert report.looks > 200 * len(plan.steps)


@pytest.mark.parametrize("name", PLANS)
def test_scenario_agrees_with_the_model(name):
    simulate(scenario(name))


@pytest.mark.parametrize("name", OVERLAPS)
def test_overlapping_requests_are_serializable(name):
    simulate(overlap(name), looks=False)


def test_model_shares_no_code_with_the_server():
    around = {"run", "stage", "test_faults_are_found"}  # they start the server, or plant faults in it
    found, left = {}, [file for file in Path(__file__).parent.glob("*.py") if file.stem not in around]
    for file in left:
        nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
        names = [n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)]
        names += [alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names]
        found[file.stem] = [name for name in names if name.partition(".")[0] == "tailwire"]
    assert {"state", "permissions", "consequences"} <= found.keys()
    assert [stem for stem, names in found.items() if names] == []


# Plans.


def test_plan_read_from_its_json_is_equal():
    plan = make_plan(5)
    assert Plan.from_json(plan.to_json(), plan.seed) == plan


def test_plans_use_every_kind_of_step():
    steps = [step for seed in range(2 * SEEDS) for step in make_plan(seed).steps]
    covered = {step[0] for step in steps} | {s[0] for step in steps if step[0] == "together" for s in step[2:]}
    assert covered == {*STEPS, "look"}


def test_report_counts_the_steps_of_a_run():
    steps: tuple[Step, ...] = (("create", "alice", "team", "public", ("tom",)), ("send", "tom", "group", "team"))
    report = simulate(Plan(0, (*steps, ("send", "smith", "group", "team"))))
    assert isinstance(report, Report)
    assert (report.accepted, report.refused) == (2, 1)
    assert report.requests == {"create": 1, "send": 2}
    assert report.done == {"create": 1, "send": 1}
    assert report.looks > 300


def test_webhook_events_of_every_third_seed_are_compared(monkeypatch):
    plans = [
        Plan(seed, (("create", "alice", "team", "public", ()), ("send", "alice", "group", "team"))) for seed in range(6)
    ]
    simulate(plans[2])
    monkeypatch.setattr(stage, "TRIGGERS", [one for one in stage.TRIGGERS if one != "message_sent"])
    for plan in plans:
        if plan.seed in (2, 5):
            with pytest.raises(Deviation, match="webhook missing: message_sent"):
                simulate(plan)
        else:
            simulate(plan)


def test_failures_are_shrunk_and_printed_as_tests(monkeypatch):
    monkeypatch.setitem(permissions.IN_A_GROUP, "write", set())
    monkeypatch.setitem(permissions.NEEDS, "write", "ERR_SOMETHING")
    plan = Plan(0, (
        ("create", "alice", "team", "public", ()), ("connect", "tom", "desk"), ("send", "alice", "user", "tom"),
        ("send", "alice", "group", "team"),
    ))  # fmt: skip
    failed = fails(plan)
    assert failed is not None
    assert failed.rule == "right: send"
    short = shrink(plan, failed.rule)
    assert [step[0] for step in short.steps] == ["create", "send"]
    printed = as_test(short, failed)
    scope: dict = {"simulate": lambda p: scope.__setitem__("seen", p), "Plan": Plan}
    exec(printed, scope)
    scope["test_seed_0"]()
    assert scope["seen"] == short


# Every role, and every operation that depends on it.


def _group(kind: str, ranks: dict[str, str]) -> list[Step]:
    made: list[Step] = [("create", BOSS, "team", kind, ())]
    return [*made, *(("add", BOSS, "team", uid, rank) for uid, rank in ranks.items() if rank not in ("owner", ""))]


def _cases(rank: str) -> list[tuple[str, list[Step]]]:
    # The attempts of a member with a role, each in its own group: the role of the other member, and the steps.
    cases: list[tuple[str, list[Step]]] = [
        ("", [("update", ACTOR, "team", "private")]),
        ("", [("remove", ACTOR, "team")]),
        ("", [("leave", ACTOR, "team")]),
        ("", [("send", ACTOR, "group", "team"), ("pin", ACTOR, 0), ("edit", ACTOR, 1), ("delete", ACTOR, 2)]),
        ("", [("ban", BOSS, "team", OTHER), ("unban", ACTOR, "team", OTHER)]),
        *(("", [("add", ACTOR, "team", OTHER, scope)]) for scope in ("participant", "moderator", "admin")),
        ("participant", [("transfer", ACTOR, "team", OTHER)]),
        (
            "participant",
            [("send", OTHER, "group", "team"), ("react", ACTOR, 0, "x"), ("pin", ACTOR, 0), ("unpin", ACTOR, 0)],
        ),
        ("participant", [("send", OTHER, "group", "team"), ("edit", ACTOR, 0)]),
        ("participant", [("send", OTHER, "group", "team"), ("delete", ACTOR, 0)]),
        (
            "participant",
            [("send", OTHER, "group", "team"), ("reply", ACTOR, 0), ("save", ACTOR, 1), ("follow", ACTOR, 1)],
        ),
    ]
    for other in ("participant", "moderator", "admin", "owner"):
        cases += [(other, [("kick", ACTOR, "team", OTHER)]), (other, [("ban", ACTOR, "team", OTHER)])]
        cases += [(other, [("scope", ACTOR, "team", OTHER, scope)]) for scope in ("participant", "moderator", "admin")]
    return [case for case in cases if not (rank == "owner" == case[0])]


@pytest.mark.parametrize(
    ("rank", "kind"), [("", "public"), ("", "private"), *((rank, "public") for rank in permissions.RANKS)]
)
def test_every_role_has_its_rights_towards_every_other(rank, kind):
    steps: list[Step] = []
    for other, tried in _cases(rank):
        steps += _group(kind, {ACTOR: rank, OTHER: other})
        steps += [("transfer", BOSS, "team", uid) for uid, r in ((ACTOR, rank), (OTHER, other)) if r == "owner"]
        if "owner" in (rank, other):  # who is given a group has to be in it first
            steps.insert(-1, ("add", BOSS, "team", ACTOR if rank == "owner" else OTHER, "participant"))
        steps += [*tried, *(("remove", uid, "team") for uid in (BOSS, ACTOR, OTHER))]
    simulate(Plan(0, tuple(steps)), looks=False)


@pytest.mark.parametrize("rank", permissions.RANKS)
def test_model_table_matches_the_documentation(rank):
    # The statements of the vendor's documentation in another form, so that an error in the table is noticed.
    p = permissions
    assert (rank in p.IN_A_GROUP["delete"]) is (rank in ("admin", "owner"))
    assert (rank in p.IN_A_GROUP["transfer"]) is (rank == "owner")
    assert (rank in p.TO_A_MESSAGE["pin"]) is (rank != "participant")
    assert (rank in p.REMOVE["admin"]) is (rank == "owner")
    assert (rank in p.CHANGE["admin"]) is (rank == "owner")
    assert rank not in p.REMOVE["owner"] | p.CHANGE["owner"]
    assert (rank in p.REMOVE["participant"]) is (rank in p.CHANGE["participant"]) is (rank != "participant")


# Frames: once, to the users concerned, and only while they are concerned.


def test_retry_with_a_muid_is_published_once():
    simulate(Plan(0, (
        ("create", "alice", "team", "public", ("tom",)),
        ("connect", "tom", "desk"), ("connect", "tom", "phone"), ("connect", "alice", "desk"),
        ("send", "alice", "group", "team"), ("send again", "alice", 0), ("send again", "alice", 0),
        ("send", "alice", "user", "tom"), ("send again", "alice", 0),
        ("ban", "alice", "team", "tom"), ("block", "tom", "alice"), ("send again", "alice", 1),
    )))  # fmt: skip


@pytest.mark.parametrize(
    "how", [("leave", "tom", "team"), ("kick", "alice", "team", "tom"), ("ban", "alice", "team", "tom")]
)
def test_former_members_cannot_change_their_messages(how):
    simulate(Plan(0, (
        ("create", "alice", "team", "public", ("tom",)), ("send", "tom", "group", "team"), ("save", "tom", 0),
        ("connect", "tom", "desk"), how,
        *((what, "tom", 1) for what in ("edit", "delete", "pin", "save", "unsave", "follow", "reply")),
        ("react", "tom", 1, "x"), ("unreact", "tom", 1, "x"), ("send", "alice", "group", "team"), ("edit", "alice", 2),
        ("react", "alice", 3, "x"),
    )))  # fmt: skip


def test_former_members_get_no_receipts():
    simulate(Plan(0, (
        ("connect", "tom", "desk"), ("connect", "smith", "desk"),
        ("create", "alice", "team", "public", ("tom", "smith")), ("send", "tom", "group", "team"),
        ("leave", "tom", "team"), ("mark read", "alice", "group", "team"), ("leave", "smith", "team"),
    )))  # fmt: skip
    simulate(Plan(0, (
        ("connect", "tom", "desk"), ("connect", "smith", "desk"),
        ("create", "alice", "team", "public", ("tom", "smith")), ("send", "tom", "group", "team"),
        ("leave", "tom", "team"), ("mark read", "smith", "group", "team"), ("mark read", "alice", "group", "team"),
    )))  # fmt: skip


@pytest.mark.parametrize("kind", ["public", "private", "password"])
def test_members_of_a_deleted_group_get_nothing_of_its_successor(kind):
    simulate(Plan(0, (
        ("connect", "tom", "desk"), ("connect", "smith", "desk"),
        ("create", "alice", "team", "public", ("tom", "smith")), ("send", "tom", "group", "team"),
        ("follow", "tom", 0), ("save", "tom", 0), ("ban", "alice", "team", "smith"),
        ("remove", "alice", "team"), ("create", "group_admin", "team", kind, ()),
        ("send", "group_admin", "group", "team"), ("typing", "group_admin", "group", "team"), ("edit", "group_admin", 0),
    )))  # fmt: skip


def test_revoking_a_token_closes_all_its_sockets():
    simulate(Plan(0, (
        ("connect", "tom", "desk"), ("connect", "tom", "phone"), ("connect", "alice", "desk"), ("log out", "tom"),
        ("send", "alice", "user", "tom"), ("connect", "tom", "desk"), ("send", "alice", "user", "tom"),
    )))  # fmt: skip


def test_deleted_users_get_nothing():
    for permanent in (False, True):
        simulate(Plan(0, (
            ("create", "alice", "team", "private", ("tom",)), ("send", "tom", "group", "team"),
            ("send", "tom", "user", "alice"), ("connect", "tom", "desk"), ("connect", "alice", "desk"),
            ("delete user", "tom", permanent), ("send", "alice", "user", "tom"), ("block", "alice", "tom"),
            ("send", "alice", "group", "team"),
        )))  # fmt: skip


@pytest.mark.virtual
async def test_two_concurrent_readers_both_cause_receipts(tmp_path):
    async with Backend(tmp_path) as backend:
        for uid in ("alice", "bob", "carol"):
            await backend.add_user(uid)
        group = {"guid": "g", "name": "G", "members": {"participants": ["bob", "carol"]}}
        assert (await backend.ask("POST", "/groups", as_="alice", json=group)).status == 200
        clients = {uid: await backend.connect(uid) for uid in ("alice", "bob", "carol")}
        text = {"receiver": "g", "receiverType": "group", "data": {"text": "hi"}}
        sent = (await backend.ask("POST", "/messages", as_="alice", json=text)).data["id"]
        await asyncio.sleep(1)
        clients["alice"].take()
        for uid in ("bob", "carol"):  # within the time for which receipts are held back
            await clients[uid].say(
                type="receipts", receiver="g", receiverType="group", body={"action": "read", "messageId": sent}
            )
        await asyncio.sleep(1)
        received = [f for f in clients["alice"].take() if f["type"] == "receipts" and f["body"]["action"] == "read"]
        assert sorted(f["sender"] for f in received) == ["bob", "carol"]
        assert {f["body"]["messageId"] for f in received} == {sent}


# Files: the URL grants access. Users who may not write to a receiver get no upload form for it.


def _form(fields: dict[str, str], file: bytes) -> tuple[str, bytes]:
    parts = [f'--b\r\ncontent-disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\n'
    return "multipart/form-data; boundary=b", b"".join(parts) + head + file + b"\r\n--b--\r\n"


@pytest.mark.virtual
async def test_url_of_a_file_grants_access(tmp_path):
    async with Backend(tmp_path) as backend:
        for uid in ("alice", "bob", "mallory"):
            await backend.add_user(uid)
        group = {"guid": "g", "name": "G", "type": "private", "members": {"participants": ["bob"]}}
        await backend.ask("POST", "/groups", as_="alice", json=group)
        wanted = {
            "files": {"1": {"name": "a.txt", "size": 6, "mimeType": "text/plain"}},
            "receiver": "g",
            "receiverType": "group",
        }
        refused = await backend.ask("POST", "/files/upload-url", as_="mallory", json=wanted)
        assert refused.code == "ERR_GUID_NOT_FOUND"
        form = (await backend.ask("POST", "/files/upload-url", as_="bob", json=wanted)).data["1"]
        kind, body = _form(form["request"]["body"], b"secret")
        assert (await backend.request("POST", "/files", {"content-type": kind}, body)).status == 204
        url = form["attachment"]["url"]
        message = {
            "receiver": "g",
            "receiverType": "group",
            "type": "file",
            "data": {"attachments": [form["attachment"]]},
        }
        assert (await backend.ask("POST", "/messages", as_="bob", json=message)).status == 200
        path = "/files/" + url.rpartition("/")[2]
        assert (await backend.request("GET", path, {}, b"")).body == b"secret"
        await backend.ask("POST", "/groups/g/bannedusers/bob", as_="alice")
        assert (await backend.ask("POST", "/files/upload-url", as_="bob", json=wanted)).code == "ERR_GUID_NOT_FOUND"
        assert (await backend.request("GET", path, {}, b"")).body == b"secret"
        # Only users who may read the message see the URL.
        for uid in ("bob", "mallory"):
            for shown in ("/messages?limit=1000", "/conversations", "/messages?hasAttachments=1", "/threads"):
                assert url not in (await backend.ask("GET", shown, as_=uid)).body.decode(), (uid, shown)
        assert url in json.dumps((await backend.ask("GET", "/messages?limit=1000", as_="alice")).data)


def test_deviations_name_step_and_rule():
    failed = Deviation("view: members", "too much", ("leave", "tom", "team"), 3)
    assert str(failed) == "view: members: too much\n  at step 3: ('leave', 'tom', 'team')"
