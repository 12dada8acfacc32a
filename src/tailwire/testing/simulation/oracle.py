"""What must be true at the end of a run, whatever happened in it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from tailwire.sdk.connection.state import Status
from tailwire.testing.invariants import LEGAL_TRANSITIONS
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.simulation import GROUP, Simulation
from tailwire.testing.simulation.steps import USERS

Membership = tuple[int, int | None]
"""From the id of the action with which somebody came to the group to that with which they left; None: they stayed."""


class Violation(AssertionError):
    """A promise was broken; the word before the colon says which."""


def require(condition: bool, what: str) -> None:
    """Raise `Violation` unless a condition holds."""
    if not condition:
        raise Violation(what)


async def check(sim: Simulation) -> int:
    """Everything, once all has calmed down; answers how many messages are stored.

    Raises:
        Violation: saying what is not as promised.
    """
    require(not sim.broken, sim.broken[0] if sim.broken else "")
    parts = sim.server.parts
    assert parts is not None
    columns = "id, sender, receiver, receiver_type, conversation_id, muid, body"
    rows = [dict(zip(columns.split(", "), row, strict=True)) for row in parts.store._reader.execute(
        f"SELECT {columns} FROM messages WHERE category = 'message' ORDER BY id", ()
    )]  # fmt: skip
    _stored(sim, rows)
    sql = "SELECT id, body FROM messages WHERE category = 'action' AND type = 'groupMember' ORDER BY id"
    memberships = memberships_of(
        [(number, json.loads(body)["data"]) for number, body in parts.store._reader.execute(sql)]
    )
    for uid in USERS:
        member = await parts.store.member(GROUP, uid) is not None
        told = any(end is None for _, end in memberships[uid])
        require(member == told, f"members: the actions say {uid} is {'in' if told else 'out'}, the store not")
    for device in sim.devices.values():
        _ended(device)
        _legal(device)
        _served(sim, device, rows, memberships[device.uid])
    _agree(sim)
    return len(rows)


def _agree(sim: Simulation) -> None:
    # What the two sides say of their connections, at the end and all along.
    parts = sim.server.parts
    assert parts is not None
    online = Counter(device.uid for device in sim.devices.values() if device.chat is not None)
    known = Counter(socket.uid for socket in parts.gateway._sockets)
    require(known == online, f"logs: the server has the sockets {dict(known)}, the clients {dict(online)}")
    sockets = parts.metrics.sockets
    require(sockets == online.total(), f"logs: the server counts {sockets} sockets, the clients {online.total()}")
    require(
        sim.connected <= sim.server.let_in,
        f"logs: clients were connected {sim.connected} times, the server let in {sim.server.let_in}",
    )


def _stored(sim: Simulation, rows: list[dict[str, Any]]) -> None:
    muids = [row["muid"] for row in rows]
    require(len(set(muids)) == len(muids), "once: a message is stored twice")
    require(set(muids) <= set(sim.sends), "sent: something is stored that nobody sent")
    by_id = {row["id"]: row["muid"] for row in rows}
    for send in sim.sends.values():
        if send.id and sim.copies.removed(send.id):
            send.outcome, send.kept = "taken away", False
        if send.outcome == "acknowledged":
            require(by_id.get(send.id) == send.muid, f"durable: {send.muid} was acknowledged as {send.id} and is gone")
    for send in sim.sends.values():
        require(not send.kept or send.muid in set(muids), f"outbox: {send.muid} was queued, and is not stored")
    latest: dict[tuple[str, int, str], int] = {}
    for send in sim.sends.values():  # in the order in which they were begun
        if send.outcome == "acknowledged":
            key = (send.by, send.life, send.place)
            require(latest.get(key, 0) < send.id, f"K3: {send.muid} of {send.by} overtook another send")
            latest[key] = send.id
    # What is refused is not stored, and nothing memberships open.
    refused = {s.muid for s in sim.sends.values() if s.outcome == "refused"}
    require(not refused & set(muids), "refused: what was refused is stored")


def _ended(device: Device) -> None:
    chat = device.chat
    assert chat is not None
    status = chat.get_connection_status()
    require(status is Status.CONNECTED, f"stuck: {device.name} is {status} at the end: {chat.connection.explain()}")
    left = [task for task in device.calls if not task.done()]
    require(not left, f"I9: a call of {device.name} has not ended: {left[:1]}")
    require(device.max_token_requests <= 1, f"tokens: the provider of {device.name} is asked twice at once")
    for task in device.calls:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise Violation(f"raised: a call of {device.name} raised {error!r}") from error
    if device.has_outbox:
        waits = [entry.muid for entry in chat.queued_messages() if entry.status == "pending"]
        require(not waits, f"outbox: {waits} wait although all is well")


def _legal(device: Device) -> None:
    # I8: a legal sequence in each life of the app.
    lives: dict[int, list[str]] = defaultdict(list)
    for life, status in device.statuses:
        lives[life].append(status)
    for life, told in lives.items():
        last = Status.DISCONNECTED
        for n, status in enumerate(told):
            if n == 0 and status == Status.DISCONNECTED:
                continue  # a listener that is added late is told the status of now
            first = n == 0
            ok = first or Status(status) in LEGAL_TRANSITIONS[last]
            require(ok, f"I8: {device.name} in life {life} received {last} and then {status}")
            last = Status(status)


def memberships_of(actions: list[tuple[int, dict[str, Any]]]) -> dict[str, list[Membership]]:
    """When each user was in the group, by the ids of the actions that say so; USERS[0] made it."""
    memberships: dict[str, list[Membership]] = {uid: [] for uid in USERS}
    memberships[USERS[0]] = [(0, None)]
    for number, data in actions:
        uid = data["entities"]["on"]["entity"]["uid"]
        if data["action"] in ("joined", "added"):
            memberships[uid].append((number, None))
        elif data["action"] in ("left", "kicked", "banned") and memberships[uid]:
            memberships[uid][-1] = (memberships[uid][-1][0], memberships[uid][-1][1] or number)
    return memberships


def _served(sim: Simulation, device: Device, rows: list[dict[str, Any]], memberships: list[Membership]) -> None:
    known = {row["id"]: row for row in rows}
    times: dict[int, int] = defaultdict(int)
    last: dict[tuple[int, str], int] = {}
    for received in device.received:
        if sim.copies.removed(received.id):
            continue
        row = known.get(received.id)
        require(row is not None, f"sent: {device.name} received {received.id}, which is not stored")
        assert row is not None
        texts = sim.sends[row["muid"]].texts
        require(received.text in texts, f"true: {device.name} received {received.text!r}, it was {texts}")
        in_group = row["receiver_type"] == "group" and any(
            begin < row["id"] and (end is None or row["id"] < end) for begin, end in memberships
        )
        mine = device.uid in (row["sender"], row["receiver"]) or in_group
        require(mine, f"private: {device.name} received {received.id}, which is not theirs")
        send = sim.sends[row["muid"]]
        own = (send.by, send.life) == (device.name, received.life)
        require(not own, f"own: {device.name} received its own message {received.id} (S27)")
        times[received.id] += 1
        key = (received.life, received.conversation)
        require(last.get(key, 0) < received.id, f"order: {device.name} received {received.id} after {last.get(key)}")
        last[key] = received.id
    for number, count in times.items():
        most = 1 + (number in device.may_repeat)
        require(count <= most or number in device.may_repeat, f"once: {device.name} received {number} {count} times")
    for row in rows:
        number, conversation = row["id"], row["conversation_id"]
        if times[number] or not _is_expected(sim, device, row, memberships):
            continue
        if not sim.losses.unnoticed(device, number, conversation):
            text = json.loads(row["body"]).get("data", {}).get("text")
            raise Violation(
                f"lost: {device.name} did not hear {row['id']} ({row['muid']}: {text!r}); gaps {device.gaps}"
            )


def _is_expected(sim: Simulation, device: Device, row: dict[str, Any], memberships: list[Membership]) -> bool:
    # Of the group: what came while they were in it, if they have been in it ever since.
    stays_on = any(begin < row["id"] and end is None for begin, end in memberships)
    theirs = device.uid in (row["sender"], row["receiver"]) or (row["receiver_type"] == "group" and stays_on)
    if not theirs or sim.sends[row["muid"]].by == device.name:
        return False
    if any(begin < row["id"] <= end for begin, end in device.gaps):
        return False
    return any(o.after < row["id"] and (o.until is None or row["id"] <= o.until) for o in device.expected)
