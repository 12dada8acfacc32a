"""What must be true at the end of a run, whatever happened in it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import Any

from tailwire.sdk.connection.state import Status
from tailwire.testing.invariants import _LEGAL
from tailwire.testing.simulation.person import Person
from tailwire.testing.simulation.play import GROUP, Play
from tailwire.testing.simulation.steps import USERS

Stay = tuple[int, int | None]
"""From the id of the action with which somebody came to the group to that with which they left; None: they stayed."""


class Wrong(AssertionError):
    """A promise was broken; the word before the colon says which."""


def require(condition: bool, what: str) -> None:
    """Raise `Wrong` unless a condition holds."""
    if not condition:
        raise Wrong(what)


async def judge(play: Play) -> int:
    """Everything, once all has calmed down; answers how many messages are stored.

    Raises:
        Wrong: saying what is not as promised.
    """
    require(not play.broken, play.broken[0] if play.broken else "")
    parts = play.server.parts
    assert parts is not None
    columns = "id, sender, receiver, receiver_type, conversation_id, muid, body"
    rows = [dict(zip(columns.split(", "), row, strict=True)) for row in parts.store.database.reader.execute(
        f"SELECT {columns} FROM messages WHERE category = 'message' ORDER BY id", ()
    )]  # fmt: skip
    _stored(play, rows)
    sql = "SELECT id, body FROM messages WHERE category = 'action' AND type = 'groupMember' ORDER BY id"
    stays = stays_of([(number, json.loads(body)["data"]) for number, body in parts.store.database.reader.execute(sql)])
    for uid in USERS:
        member = await parts.store.members.get(GROUP, uid) is not None
        told = any(end is None for _, end in stays[uid])
        require(member == told, f"members: the actions say {uid} is {'in' if told else 'out'}, the store not")
    for person in play.people.values():
        _ended(person)
        _legal(person)
        _served(play, person, rows, stays[person.uid])
    _agree(play)
    return len(rows)


def _agree(play: Play) -> None:
    # What the two sides say of their connections, at the end and all along.
    parts = play.server.parts
    assert parts is not None
    online = Counter(person.uid for person in play.people.values() if person.chat is not None)
    known = Counter(socket.uid for socket in parts.gateway._sockets)
    require(known == online, f"logs: the server has the sockets {dict(known)}, the clients {dict(online)}")
    sockets = parts.metrics.sockets
    require(sockets == online.total(), f"logs: the server counts {sockets} sockets, the clients {online.total()}")
    require(
        play.connected <= play.server.let_in,
        f"logs: clients were connected {play.connected} times, the server let in {play.server.let_in}",
    )


def _stored(play: Play, rows: list[dict[str, Any]]) -> None:
    muids = [row["muid"] for row in rows]
    require(len(set(muids)) == len(muids), "once: a message is stored twice")
    require(set(muids) <= set(play.sends), "sent: something is stored that nobody sent")
    by_id = {row["id"]: row["muid"] for row in rows}
    for send in play.sends.values():
        if send.id and play.copies.took_away(send.id):
            send.outcome, send.kept = "taken away", False
        if send.outcome == "acknowledged":
            require(by_id.get(send.id) == send.muid, f"durable: {send.muid} was acknowledged as {send.id} and is gone")
    for send in play.sends.values():
        require(not send.kept or send.muid in set(muids), f"outbox: {send.muid} was queued, and is not stored")
    latest: dict[tuple[str, int, str], int] = {}
    for send in play.sends.values():  # in the order in which they were begun
        if send.outcome == "acknowledged":
            key = (send.by, send.life, send.place)
            require(latest.get(key, 0) < send.id, f"K3: {send.muid} of {send.by} overtook another send")
            latest[key] = send.id
    # What is refused is not stored, and nothing stays open.
    refused = {s.muid for s in play.sends.values() if s.outcome == "refused"}
    require(not refused & set(muids), "refused: what was refused is stored")


def _ended(person: Person) -> None:
    chat = person.chat
    assert chat is not None
    status = chat.get_connection_status()
    require(status is Status.CONNECTED, f"stuck: {person.name} is {status} at the end: {chat.connection.explain()}")
    left = [task for task in person.calls if not task.done()]
    require(not left, f"I9: a call of {person.name} has not ended: {left[:1]}")
    require(person.most_asking <= 1, f"tokens: the provider of {person.name} is asked twice at once")
    for task in person.calls:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            raise Wrong(f"raised: a call of {person.name} raised {error!r}") from error
    if person.has_outbox:
        waits = [entry.muid for entry in chat.queued_messages() if entry.status == "pending"]
        require(not waits, f"outbox: {waits} wait although all is well")


def _legal(person: Person) -> None:
    # I8: a legal sequence in each life of the app.
    lives: dict[int, list[str]] = defaultdict(list)
    for life, status in person.statuses:
        lives[life].append(status)
    for life, told in lives.items():
        last = Status.DISCONNECTED
        for n, status in enumerate(told):
            if n == 0 and status == Status.DISCONNECTED:
                continue  # a listener that is added late is told the status of now
            first = n == 0
            ok = first or Status(status) in _LEGAL[last]
            require(ok, f"I8: {person.name} in life {life} heard {last} and then {status}")
            last = Status(status)


def stays_of(actions: list[tuple[int, dict[str, Any]]]) -> dict[str, list[Stay]]:
    """When each user was in the group, by the ids of the actions that say so; USERS[0] made it."""
    stays: dict[str, list[Stay]] = {uid: [] for uid in USERS}
    stays[USERS[0]] = [(0, None)]
    for number, data in actions:
        uid = data["entities"]["on"]["entity"]["uid"]
        if data["action"] in ("joined", "added"):
            stays[uid].append((number, None))
        elif data["action"] in ("left", "kicked", "banned") and stays[uid]:
            stays[uid][-1] = (stays[uid][-1][0], stays[uid][-1][1] or number)
    return stays


def _served(play: Play, person: Person, rows: list[dict[str, Any]], stays: list[Stay]) -> None:
    known = {row["id"]: row for row in rows}
    times: dict[int, int] = defaultdict(int)
    last: dict[tuple[int, str], int] = {}
    for heard in person.heard:
        if play.copies.took_away(heard.id):
            continue
        row = known.get(heard.id)
        require(row is not None, f"sent: {person.name} heard {heard.id}, which is not stored")
        assert row is not None
        texts = play.sends[row["muid"]].texts
        require(heard.text in texts, f"true: {person.name} heard {heard.text!r}, it was {texts}")
        in_group = row["receiver_type"] == "group" and any(
            begin < row["id"] and (end is None or row["id"] < end) for begin, end in stays
        )
        mine = person.uid in (row["sender"], row["receiver"]) or in_group
        require(mine, f"private: {person.name} heard {heard.id}, which is not theirs")
        send = play.sends[row["muid"]]
        own = (send.by, send.life) == (person.name, heard.life)
        require(not own, f"own: {person.name} heard its own message {heard.id} (S27)")
        times[heard.id] += 1
        key = (heard.life, heard.conversation)
        require(last.get(key, 0) < heard.id, f"order: {person.name} heard {heard.id} after {last.get(key)}")
        last[key] = heard.id
    for number, count in times.items():
        most = 1 + (number in person.again)
        require(count <= most or number in person.again, f"once: {person.name} heard {number} {count} times")
    for row in rows:
        number, conversation = row["id"], row["conversation_id"]
        if times[number] or not _is_owed(play, person, row, stays):
            continue
        if not play.losses.unnoticed(person, number, conversation):
            text = json.loads(row["body"]).get("data", {}).get("text")
            raise Wrong(f"lost: {person.name} did not hear {row['id']} ({row['muid']}: {text!r}); gaps {person.gaps}")


def _is_owed(play: Play, person: Person, row: dict[str, Any], stays: list[Stay]) -> bool:
    # Of the group: what came while they were in it, if they have been in it ever since.
    stays_on = any(begin < row["id"] and end is None for begin, end in stays)
    theirs = person.uid in (row["sender"], row["receiver"]) or (row["receiver_type"] == "group" and stays_on)
    if not theirs or play.sends[row["muid"]].by == person.name:
        return False
    if any(begin < row["id"] <= end for begin, end in person.gaps):
        return False
    return any(o.after < row["id"] and (o.until is None or row["id"] <= o.until) for o in person.owed)
