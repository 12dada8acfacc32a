"""The lab's switches: a refused one keeps its state, and typed input can be replayed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tailwire.lab.lab import Lab
from tailwire.lab.phone import MAX_TASKS, Refused
from tailwire.lab.recording import read_recording, recording_of
from tailwire.sdk.io import clock


async def until(condition, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def switches_of(lab: Lab, name: str) -> dict[str, str]:
    """Return the state of a phone's switches, as the page receives it."""
    return [e["now"] for e in lab.log.events if e["kind"] == "switch" and e["phone"] == name][-1]


@asynccontextmanager
async def started_lab(folder: Path) -> AsyncIterator[Lab]:
    """Yield a lab whose two phones are connected."""
    folder = folder / "server"
    folder.mkdir()
    async with Lab(folder) as lab:
        phones = lab.phones.values()
        await until(lambda: all(phone.chat.get_connection_status() == "connected" for phone in phones))
        yield lab


async def test_recording_contains_a_typed_message_and_its_events(tmp_path):
    async with started_lab(tmp_path) as lab:
        lab.do("alice", "send", "a 🐍")
        await until(lambda: {"accepted", "handed"} <= {e["kind"] for e in lab.log.events})  # in either order
        file = tmp_path / "lab.json"
        file.write_text(json.dumps(recording_of(lab)))
        kinds = [e["kind"] for e in read_recording(file)["events"]]
        assert {"transition", "switch", "typed", "accepted", "handed", "server"} <= set(kinds)


async def test_recording_of_a_machine_that_has_slept_is_replayed_in_the_time_of_its_events(tmp_path, monkeypatch):
    asleep = 400 * 86_400.0
    monkeypatch.setattr(clock, "seconds", lambda: time.monotonic() + asleep)
    async with started_lab(tmp_path) as lab:
        file = tmp_path / "lab.json"
        file.write_text(json.dumps(recording_of(lab)))
    recording = read_recording(file)
    assert recording["steps"]
    assert 0 <= recording["steps"][0]["at"] <= recording["steps"][-1]["at"] < 60


async def test_text_that_is_not_unicode_is_refused(tmp_path):
    async with started_lab(tmp_path) as lab:
        with pytest.raises(Refused, match="lone surrogate"):
            lab.do("alice", "send", "\ud800abc")


async def test_switch_that_is_refused_keeps_its_state(tmp_path):
    async with started_lab(tmp_path) as lab:
        alice = lab.phones["alice"]
        lab.do("alice", "tunnel")
        for _ in range(MAX_TASKS):
            lab.do("alice", "ping")
        with pytest.raises(Refused, match="too many operations are pending"):
            lab.do("alice", "manual")
        assert switches_of(lab, "alice")["mode"] == "auto"
        lab.do("alice", "online")
        await until(lambda: not alice._tasks)
        lab.do("alice", "manual")
        await until(lambda: alice._chat is not None and alice.chat._parts.driver.state.mode == "manual")
        assert switches_of(lab, "alice")["mode"] == "manual"


async def test_token_that_could_not_be_revoked_is_still_shown_as_good(tmp_path):
    async with started_lab(tmp_path) as lab:
        lab.do("server", "kill")
        await until(lambda: any(e["kind"] == "server" and not e["up"] for e in lab.log.events))
        lab.do("bob", "revoke")
        await until(lambda: not lab.phones["bob"]._tasks)
        assert switches_of(lab, "bob")["token"] == "good"
        assert lab._backend.refused == set()
