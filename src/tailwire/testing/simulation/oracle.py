"""Check at the end of a run the promises that the server and the SDK make."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.server.ports.conversations import conversation_of
from tailwire.server.store.sqlite import SqliteStore
from tailwire.testing.invariants import LEGAL_TRANSITIONS
from tailwire.testing.simulation import (
    oracle_of_changes,
    oracle_of_contents,
    oracle_of_gaps,
    oracle_of_groups,
    oracle_of_order,
)
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.records import Send
from tailwire.testing.simulation.simulation import GROUP, Simulation
from tailwire.testing.simulation.steps import USERS

BLOCKED = frozenset({"ERR_BLOCKED_RECEIVER", "ERR_BLOCKED_SENDER"})
Membership = tuple[int, int | None]
"""A time in which a user was a member: the ids of the action messages of their entering and leaving the group.

The second id is None while they are a member.
"""


class Violation(AssertionError):
    """A promise was broken. The message begins with the name of the rule and a colon."""


def require(condition: bool, what: str) -> None:
    """Raise `Violation` with the message `what` unless the condition holds."""
    if not condition:
        raise Violation(what)


async def check(sim: Simulation) -> int:
    """Check all promises of a run that has recovered, with its server and apps running (`Simulation.recover`).

    Returns:
        The number of messages in the database.

    Raises:
        Violation: a promise was broken; the first one that is found.
    """
    broken = [*sim.broken, *sim.dead_lines.late, *sim.holes.late, *sim.logins.wrong]
    require(not broken, broken[0] if broken else "")
    parts = sim.server.parts
    assert parts is not None
    assert isinstance(parts.store, SqliteStore)
    columns = "id, sender, receiver, receiver_type, conversation_id, muid, body, deleted_at, parent_id"
    rows = [dict(zip(columns.split(", "), row, strict=True)) for row in parts.store.database.reader.execute(
        f"SELECT {columns} FROM messages WHERE category = 'message' ORDER BY id", ()
    )]  # fmt: skip
    _check_stored(sim, rows)
    _check_reply_counts(parts.store.database.reader)
    _check_contents(sim, parts.store.database.reader)
    sql = "SELECT id, body FROM messages WHERE category = 'action' AND type = 'groupMember' ORDER BY id"
    memberships = memberships_of(
        [(number, json.loads(body)["data"]) for number, body in parts.store.database.reader.execute(sql)]
    )
    for uid in USERS:
        member = await parts.store.members.get(GROUP, uid) is not None
        expected = any(end is None for _, end in memberships[uid])
        require(
            member == expected, f"members: by the actions {uid} is {'in' if expected else 'out'}, the store disagrees"
        )
    for device in sim.devices.values():
        _check_end(device)
        _check_statuses(device)
        _check_continuity(sim, device, parts.store.database.reader, memberships[device.uid])
        _check_received(sim, device, parts.store.database.reader, rows, memberships[device.uid])
        _check_changes(sim, device, parts.store.database.reader, memberships[device.uid])
    if not sim.backup.restored:
        wrong = sim.intents.find_broken(parts.store.database.reader)
        require(not wrong, f"intent: {wrong}")
    _check_both_sides(sim)
    return len(rows)


def _check_both_sides(sim: Simulation) -> None:
    # Compare what both sides report about their connections.
    parts = sim.server.parts
    assert parts is not None
    online = Counter(device.uid for device in sim.devices.values() if device.chat is not None)
    known = Counter(socket.uid for socket in parts.gateway._sockets)
    require(known == online, f"logs: the server has the sockets {dict(known)}, the clients {dict(online)}")
    sockets = parts.metrics.sockets
    require(sockets == online.total(), f"logs: the server counts {sockets} sockets, the clients {online.total()}")
    require(
        sim.connection_count <= sim.server.authenticated,
        f"logs: clients connected {sim.connection_count} times, the server authenticated {sim.server.authenticated}",
    )


def _check_stored(sim: Simulation, rows: list[dict[str, Any]]) -> None:
    muids = [row["muid"] for row in rows]
    require(len(set(muids)) == len(muids), "once: a message is stored twice")
    require(set(muids) <= set(sim.sends), "sent: a message is stored that no device sent")
    by_id = {row["id"]: row["muid"] for row in rows}
    for row in rows:
        parent, stored = sim.sends[row["muid"]].parent, row["parent_id"] or 0
        require(stored == parent, f"thread: {row['id']} is stored in thread {stored}, but was sent to thread {parent}")
    for send in sim.sends.values():
        if send.id and sim.backup.has_removed(send.id):
            send.outcome, send.kept = "taken away", False
        if send.muid in sim.backup.lost_muids:
            send.kept = False  # a later start of its app had sent it
        if sim.backend.has_removed(send):
            require(send.id not in by_id or send.id not in sim.backend.removed, f"removed: {send.id} is still stored")
            send.outcome, send.kept = "removed", False
        if send.outcome == "acknowledged":
            require(by_id.get(send.id) == send.muid, f"durable: {send.muid} was acknowledged as {send.id} and is gone")
    for send in sim.sends.values():
        kept = send.kept and not _is_refused_for_a_block(sim, send)
        require(not kept or send.muid in set(muids), f"outbox: {send.muid} was queued, and is not stored")
    latest: dict[tuple[str, int, str], int] = {}
    for send in sim.sends.values():  # in the order in which they were sent
        if send.outcome == "acknowledged":
            key = (send.by, send.life, send.place)
            require(latest.get(key, 0) < send.id, f"K3: {send.muid} of {send.by} overtook another send")
            latest[key] = send.id
    # Refused messages are not stored, unless a proxy repeated the request after the reason had gone.
    refused = {s.muid for s in sim.sends.values() if s.outcome == "refused" and s.muid not in sim.repeated}
    require(not refused & set(muids), "refused: a refused message is stored")


def _is_refused_for_a_block(sim: Simulation, send: Send) -> bool:
    # Return whether a later life of the app has sent it, and reports that it was refused because of a block.
    device = sim.devices[send.by]
    queued = device.chat.queued_messages() if device.chat is not None else []
    return any(e.muid == send.muid and e.error is not None and e.error.code in BLOCKED for e in queued)


def _check_reply_counts(reader: Any) -> None:
    # The stored number of replies of each message is the number of messages in its thread.
    wrong = reader.execute(
        "SELECT m.id, m.reply_count, (SELECT count(*) FROM messages r WHERE r.parent_id = m.id) AS there"
        " FROM messages m WHERE m.reply_count <> there LIMIT 1"
    ).fetchone()
    require(wrong is None, f"thread: of (message, its count of replies, replies) {wrong}")


def _check_contents(sim: Simulation, reader: Any) -> None:
    wrong = oracle_of_contents.wrong_as_stored(reader, sim.sends)
    require(not wrong, f"content: {wrong}")
    if sim.backup.restored:
        return  # it has files, tokens and registrations again that had ended, and lacks those that came later
    wrong = oracle_of_contents.wrong_files(reader, sim.server.database.parent / "uploads", sim.sends)
    require(not wrong, f"content: {wrong}")
    wrong = sim.logins.wrong_pushes() or sim.logins.lost_registrations(reader)
    require(not wrong, f"push: {wrong}")


def _check_end(device: Device) -> None:
    chat = device.chat
    assert chat is not None
    status = chat.get_connection_status()
    require(
        status is ConnectionStatus.CONNECTED,
        f"stuck: {device.name} is {status} at the end: {chat.connection.explain()}",
    )
    left = [task for task in device.calls if not task.done()]
    require(not left, f"I9: a call of {device.name} has not ended: {left[:1]}")
    require(device.max_token_requests <= 1, f"tokens: the provider of {device.name} has concurrent calls")
    for task in device.calls:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise Violation(f"raised: a call of {device.name} raised {error!r}") from error
    if device.has_outbox:
        waits = [entry.muid for entry in chat.queued_messages() if entry.status == "pending"]
        require(not waits, f"outbox: {waits} still wait after recovery")


def _check_statuses(device: Device) -> None:
    # I8: the statuses of each life are a legal sequence.
    lives: dict[int, list[str]] = defaultdict(list)
    for life, status in device.statuses:
        lives[life].append(status)
    for life, statuses in lives.items():
        last = ConnectionStatus.DISCONNECTED
        for n, status in enumerate(statuses):
            if n == 0 and status == ConnectionStatus.DISCONNECTED:
                continue  # a listener that is added late receives the current status
            first = n == 0
            ok = first or ConnectionStatus(status) in LEGAL_TRANSITIONS[last]
            require(ok, f"I8: {device.name} in life {life} received {last} and then {status}")
            last = ConnectionStatus(status)


def _check_continuity(sim: Simulation, device: Device, reader: Any, memberships: list[Membership]) -> None:
    # The continuity that each connection reports agrees with the gaps that were reported.
    for stream in device.streams:
        require(not stream.wrong, f"continuity: {device.name}: {stream.wrong[:1]}")
        for begin, end in stream.exact_after:
            due = oracle_of_gaps.cannot_be_shown(reader, sim.commits, device, memberships, begin, end)
            due = due or (end == begin + 1 and sim.backup.has_removed(end))
            require(due, f"continuity: that of {device.name} is exact after the gap ({begin}, {end}]")
        unfounded = stream.unknown and not sim.backup.restored and device.expected
        require(not unfounded, f"continuity: that of {device.name} was unknown, although no store was restored")


def memberships_of(actions: list[tuple[int, dict[str, Any]]]) -> dict[str, list[Membership]]:
    """Return each user's memberships of the group, in order.

    The first membership of `USERS[0]`, who created the group, begins at 0.

    Args:
        actions: the action messages about members, in order: the id, and the field `data` of the body.
    """
    memberships: dict[str, list[Membership]] = {uid: [] for uid in USERS}
    memberships[USERS[0]] = [(0, None)]
    for number, data in actions:
        uid = data["entities"]["on"]["entity"]["uid"]
        if data["action"] in ("joined", "added"):
            memberships[uid].append((number, None))
        elif data["action"] in ("left", "kicked", "banned") and memberships[uid]:
            memberships[uid][-1] = (memberships[uid][-1][0], memberships[uid][-1][1] or number)
    return memberships


def _check_received(
    sim: Simulation, device: Device, reader: Any, rows: list[dict[str, Any]], memberships: list[Membership]
) -> None:
    known = {row["id"]: row for row in rows}
    times: dict[int, int] = defaultdict(int)
    last: dict[tuple[int, str], int] = {}
    for received in device.received:
        if sim.backup.has_removed(received.id):
            continue
        if received.id not in known and sim.backend.has_removed_id(received.id, received.conversation):
            continue
        row = known.get(received.id)
        require(row is not None, f"sent: {device.name} received {received.id}, which is not stored")
        assert row is not None
        texts = sim.sends[row["muid"]].texts - {""}  # a deleted message is not handed over as an empty one
        require(received.text in texts, f"true: {device.name} received {received.text!r}, it was {texts}")
        content = oracle_of_contents.wrong_as_received(received, sim.sends[row["muid"]])
        require(not content, f"content: {device.name} received {received.id} with {content}")
        parent = sim.sends[row["muid"]].parent
        require(
            received.parent == parent,
            f"thread: {device.name} received {received.id} as a reply to {received.parent}, it was one to {parent}",
        )
        in_group = row["receiver_type"] == "group" and any(
            begin < row["id"] and (end is None or row["id"] < end) for begin, end in memberships
        )
        mine = device.uid in (row["sender"], row["receiver"]) or in_group
        require(mine, f"private: {device.name} received {received.id}, which is private to others")
        send = sim.sends[row["muid"]]
        own = (send.by, send.life) == (device.name, received.life)
        require(not own, f"own: {device.name} received its own message {received.id} (S27)")
        times[received.id] += 1
        key = (received.life, received.conversation)
        require(last.get(key, 0) < received.id, f"order: {device.name} received {received.id} after {last.get(key)}")
        last[key] = received.id
    for number, count in times.items():
        most = 1 + device.may_repeat[number]
        require(count <= most, f"once: {device.name} received {number} {count} times, at most {most} are promised")
    cleared = oracle_of_changes.cleared_by(reader, device.uid)
    # A device need not receive a message that was deleted before it could, even if a restored backup has it again.
    deleted = (
        {change.key[1] for change in device.changes if change.key[0] == "deleted"} if sim.backup.restored else set()
    )
    for row in rows:
        number, conversation = row["id"], row["conversation_id"]
        # The same holds for a conversation that the user had deleted, if the restored backup is older than that.
        hidden = max(cleared.get(conversation, 0), sim.backup.cleared.get((conversation, device.uid), 0))
        if number in deleted or number <= hidden:
            continue
        if times[number] or row["deleted_at"] or not _is_expected(sim, device, row, memberships):
            continue
        if not sim.losses.is_unnoticed(device, number, _shown_conversation(row)):
            text = json.loads(row["body"]).get("data", {}).get("text")
            raise Violation(
                f"lost: {device.name} did not receive {row['id']} ({row['muid']}: {text!r}); gaps {device.gaps}"
            )


def _check_changes(sim: Simulation, device: Device, reader: Any, memberships: list[Membership]) -> None:
    unfounded = oracle_of_gaps.unfounded_gap(reader, sim.commits, sim.backup, device, memberships)
    require(not unfounded, f"gap: {unfounded}")
    if sim.backup.restored:
        return  # clients report that the store was restored; numbers of changes are given out again
    cleared = oracle_of_changes.cleared_by(reader, device.uid)

    def is_expected(device: Device, row: dict[str, Any]) -> bool:
        lost = sim.losses.is_unnoticed(device, row["id"], _shown_conversation(row))
        lost = lost or row["id"] <= cleared.get(row["conversation_id"], 0)
        return not lost and _is_expected(sim, device, row, memberships)

    marked_unread = Counter(sim.devices[step.who].uid for step in sim.plan.steps if step.what == "unread")
    again = oracle_of_changes.received_again(device, marked_unread)
    require(not again, f"once: {device.name} was told {again} again")
    lost = {loss.message for loss in sim.losses.lost}
    wrong = oracle_of_groups.wrong_change(sim.commits, device, GROUP) or oracle_of_order.wrong_event(
        sim.commits, device, lost
    )
    require(not wrong, wrong)
    owed = oracle_of_changes.missing_event(reader, sim.commits, device, memberships, is_expected, GROUP)
    if owed is not None:
        raise Violation(f"untold {owed.rule}: {device.name} was not told {owed.key} is {owed.value}")


def _shown_conversation(row: dict[str, Any]) -> str:
    # The id of a conversation as clients see it; the store has another one.
    return conversation_of(row["sender"], row["receiver"], row["receiver_type"])


def _is_expected(sim: Simulation, device: Device, row: dict[str, Any], memberships: list[Membership]) -> bool:
    # Group messages are expected by those who were members when they were sent, even if they have left since.
    then = any(begin <= row["id"] and (end is None or row["id"] <= end) for begin, end in memberships)
    theirs = device.uid in (row["sender"], row["receiver"]) if row["receiver_type"] == "user" else then
    if not theirs or ("muid" in row and sim.sends[row["muid"]].by == device.name):
        return False
    if any(begin < row["id"] <= end for begin, end in device.gaps):
        return False
    return any(o.after < row["id"] and (o.until is None or row["id"] <= o.until) for o in device.expected)
