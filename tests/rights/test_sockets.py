"""The frames that sockets receive after a repeated send, the deletion of a group, and a logout."""

from __future__ import annotations

import asyncio

import pytest

from rights.stage import Backend

pytestmark = pytest.mark.virtual
SETTLED_SECONDS = 1.0


async def add_users(backend: Backend, *uids: str) -> None:
    for uid in uids:
        await backend.add_user(uid)


async def test_repeated_send_is_published_once(tmp_path):
    async with Backend(tmp_path) as backend:
        await add_users(backend, "alice", "bob")
        group = {"guid": "g", "name": "G", "members": {"participants": ["bob"]}}
        assert (await backend.ask("POST", "/groups", as_="alice", json=group)).status == 200
        bob, other = await backend.connect("bob"), await backend.connect("alice")
        for receiver, kind in (("bob", "user"), ("g", "group")):
            text = {"receiver": receiver, "receiverType": kind, "data": {"text": "hi"}, "muid": f"to-{receiver}"}
            sent = [(await backend.ask("POST", "/messages", as_="alice", json=text)).data["id"] for _ in range(3)]
            assert len(set(sent)) == 1
            await asyncio.sleep(SETTLED_SECONDS)
            for client in (bob, other):
                assert [f["body"]["id"] for f in client.take() if f["type"] == "message"] == sent[:1]


async def test_former_members_of_a_deleted_group_receive_nothing_of_its_namesake(tmp_path):
    async with Backend(tmp_path) as backend:
        await add_users(backend, "alice", "bob")
        group = {"guid": "g", "name": "G", "type": "private"}
        members = {"members": {"participants": ["bob"]}}
        assert (await backend.ask("POST", "/groups", as_="alice", json={**group, **members})).status == 200
        bob, alice = await backend.connect("bob"), await backend.connect("alice")
        assert (await backend.ask("DELETE", "/groups/g", as_="alice")).status == 200
        assert (await backend.ask("POST", "/groups", as_="alice", json=group)).status == 200
        await asyncio.sleep(SETTLED_SECONDS)
        bob.take(), alice.take()
        text = {"receiver": "g", "receiverType": "group", "data": {"text": "secret"}}
        sent = (await backend.ask("POST", "/messages", as_="alice", json=text)).data["id"]
        await asyncio.sleep(SETTLED_SECONDS)
        assert bob.take() == []
        assert [f["body"]["id"] for f in alice.take() if f["type"] == "message"] == [sent]


async def test_logout_closes_all_sockets_of_its_token_and_no_others(tmp_path):
    async with Backend(tmp_path) as backend:
        await add_users(backend, "alice", "bob")
        another = (await backend.ask("POST", "/users/alice/auth_tokens", json={"force": True})).data["authToken"]
        first, second = await backend.connect("alice"), await backend.connect("alice")
        third = await backend.connect("alice", "tablet", another)
        assert (await backend.ask("DELETE", "/me", as_="alice")).status == 200
        await asyncio.sleep(SETTLED_SECONDS)
        assert (first.open, second.open, third.open) == (False, False, True)
        text = {"receiver": "alice", "receiverType": "user", "data": {"text": "hi"}}
        sent = (await backend.ask("POST", "/messages", as_="bob", json=text)).data["id"]
        await asyncio.sleep(SETTLED_SECONDS)
        assert [f["body"]["id"] for f in third.take() if f["type"] == "message"] == [sent]
        assert [f for client in (first, second) for f in client.take() if f["type"] == "message"] == []
