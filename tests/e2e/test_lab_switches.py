"""The lab's switches: a refused one keeps its state, and typed input can be replayed."""

from __future__ import annotations

import asyncio
import json

import pytest

from tailwire.lab.lab import Lab
from tailwire.lab.phone import MAX_TASKS, Refused
from tailwire.lab.recording import read_recording, recording_of


async def until(condition, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def standing(lab: Lab, name: str) -> dict[str, str]:
    """Return the state of a phone's switches, as the page receives it."""
    return [e["now"] for e in lab.log.events if e["kind"] == "switch" and e["phone"] == name][-1]


async def test_refused_switch_keeps_its_state_and_input_can_be_replayed(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    async with Lab(folder) as lab:
        alice, bob = lab.phones["alice"], lab.phones["bob"]
        await until(lambda: alice.chat.get_connection_status() == bob.chat.get_connection_status() == "connected")

        with pytest.raises(Refused, match="lone surrogate"):
            lab.do("alice", "send", "\ud800abc")
        lab.do("alice", "send", "a 🐍")
        await until(lambda: {"accepted", "handed"} <= {e["kind"] for e in lab.log.events})  # in either order
        file = tmp_path / "lab.json"
        file.write_text(json.dumps(recording_of(lab)))
        kinds = [e["kind"] for e in read_recording(file)["events"]]
        assert {"transition", "switch", "typed", "accepted", "handed", "server"} <= set(kinds)

        lab.do("alice", "tunnel")
        for _ in range(MAX_TASKS):
            lab.do("alice", "ping")
        with pytest.raises(Refused, match="too many operations are pending"):
            lab.do("alice", "manual")
        assert standing(lab, "alice")["mode"] == "auto"
        lab.do("alice", "online")
        await until(lambda: not alice._tasks)
        lab.do("alice", "manual")
        await until(lambda: alice._chat is not None and alice.chat._parts.driver.state.mode == "manual")
        assert standing(lab, "alice")["mode"] == "manual"

        lab.do("server", "kill")
        await until(lambda: any(e["kind"] == "server" and not e["up"] for e in lab.log.events))
        lab.do("bob", "revoke")
        await until(lambda: not bob._tasks)
        assert standing(lab, "bob")["token"] == "good"
        assert lab._backend.refused == set()
