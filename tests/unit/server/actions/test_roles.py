"""Roles that a server keeps in memory are read again when another server has changed them."""

from __future__ import annotations

from rest import Rest
from tailwire.server.ports.changes import Change


async def test_restriction_that_another_server_makes_or_lifts_applies_at_once(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "child", "name": "Child"})
        await rest("POST", "/users", json={"uid": "kid", "name": "Kid", "role": "child"})
        await rest("POST", "/groups", as_="kid", json={"guid": "g", "name": "G"})
        store = stage.server.parts.store
        await store.roles.restrict("child", ["createGroup"], 1)
        store.feed.report([Change(0, "role", "child")])
        await rest.refused("ERR_FEATURE_RESTRICTED", "POST", "/groups", as_="kid", json={"guid": "h", "name": "H"})
        await store.roles.allow("child", ["createGroup"])
        store.feed.report(None)  # some changes were missed
        await rest("POST", "/groups", as_="kid", json={"guid": "h", "name": "H"})
