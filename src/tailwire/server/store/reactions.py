"""What users do to single messages beside answering them: reactions, pins, saves, flags, threads they follow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from tailwire.server.ports.records import Event, ReactionRow, Trait
from tailwire.server.ports.standing import MessageAct
from tailwire.server.store.standing import may_change
from tailwire.server.store.webhooks import Webhooks

Told = Callable[[ReactionRow], Sequence[Event]]
_FOLLOWED = (
    "FROM subscriptions s JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid AND CASE m.receiver_type"
    " WHEN 'user' THEN :uid IN (m.sender, m.receiver)"
    " ELSE EXISTS (SELECT 1 FROM members g WHERE g.guid = m.receiver AND g.uid = :uid) END"
)


class Reactions(Webhooks):
    """Reactions, pins, saves, flags, interactions, subscriptions."""

    _savers: set[str]  # who has saved anything: nobody else's pages of history are looked through for it

    async def react(
        self, act: MessageAct, reaction: str, now: int, most: int, told: Told | None = None
    ) -> ReactionRow | None:
        """Keep a reaction. None when it was known, or the message has as many different ones as are taken.

        Args:
            told: what webhooks are told of it.

        Raises:
            Refused: when the act may not be done.
        """
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> ReactionRow | None:
            may_change(c, act)
            sql = "SELECT count(DISTINCT reaction) FROM reactions WHERE message_id = ? AND reaction <> ?"
            if c.execute(sql, (message_id, reaction)).fetchone()[0] >= most:
                return None
            sql = "INSERT INTO reactions (message_id, reaction, uid, reacted_at) VALUES (?, ?, ?, ?)"
            sql += " ON CONFLICT DO NOTHING"
            added = c.execute(sql, (message_id, reaction, uid, now))
            if added.rowcount != 1:
                return None
            sql = "UPDATE messages SET traits = traits | ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (int(Trait.REACTION), now, message_id))
            row = ReactionRow(int(added.lastrowid or 0), message_id, reaction, uid, now)
            self._enqueue_all(c, told(row) if told else (), None)
            return row

        return await self._writer.submit(add)

    async def unreact(self, act: MessageAct, reaction: str, now: int, told: Told | None = None) -> ReactionRow | None:
        """Take a reaction back. None when there is none.

        Raises:
            Refused: when the act may not be done.
        """
        message_id, uid = act.message_id, act.by

        def remove(c: sqlite3.Connection) -> ReactionRow | None:
            may_change(c, act)
            sql = "DELETE FROM reactions WHERE message_id = ? AND reaction = ? AND uid = ? RETURNING id, reacted_at"
            gone = c.execute(sql, (message_id, reaction, uid)).fetchone()
            if gone is None:
                return None
            sql = (
                "UPDATE messages SET updated_at = ?, traits = CASE WHEN EXISTS (SELECT 1 FROM reactions WHERE"
                " message_id = ?) THEN traits ELSE traits & ~? END WHERE id = ?"
            )
            c.execute(sql, (now, message_id, int(Trait.REACTION), message_id))
            row = ReactionRow(gone[0], message_id, reaction, uid, gone[1])
            self._enqueue_all(c, told(row) if told else (), None)
            return row

        return await self._writer.submit(remove)

    async def reactions(
        self, message_id: int, reaction: str = "", *, newer: bool = True, cursor: int | None = None, limit: int = 100
    ) -> list[ReactionRow]:
        """Reactions to a message, oldest first."""
        where, values = "message_id = ?", [message_id]
        if reaction:
            where += " AND reaction = ?"
            values.append(reaction)  # type: ignore[arg-type]
        if cursor:
            where += " AND id > ?" if newer else " AND id < ?"
            values.append(cursor)
        sql = f"SELECT id, message_id, reaction, uid, reacted_at FROM reactions WHERE {where} ORDER BY id"
        rows = await self._rows(f"{sql} {'' if newer else 'DESC'} LIMIT ?", [*values, limit])
        found = [ReactionRow(*row) for row in rows]
        return found if newer else found[::-1]

    async def reaction_counts(self, ids: Sequence[int], reader: str) -> dict[int, list[tuple[str, int, bool]]]:
        """What messages were reacted with: reaction, how often, whether the reader did. In the order of the first."""
        marks = ", ".join("?" for _ in ids)
        rows = await self._rows(
            "SELECT message_id, reaction, count(*), max(uid = ?), min(id) FROM reactions"
            f" WHERE message_id IN ({marks}) GROUP BY message_id, reaction ORDER BY message_id, min(id)",
            [reader, *ids],
        )
        found: dict[int, list[tuple[str, int, bool]]] = {}
        for number, reaction, count, mine, _ in rows:
            found.setdefault(number, []).append((reaction, count, bool(mine)))
        return found

    # Pins and saves.

    async def pin(self, act: MessageAct, now: int, most: int, *, pinned: bool) -> bool:
        """Pin a message in its conversation, or take the pin away. False when there are too many.

        Raises:
            Refused: when the act may not be done.
        """

        def change(c: sqlite3.Connection) -> bool:
            message = may_change(c, act).message
            if pinned:
                sql = "SELECT count(*) FROM messages WHERE conversation_id = ? AND pinned_at IS NOT NULL AND id <> ?"
                if c.execute(sql, (message.conversation_id, message.id)).fetchone()[0] >= most:
                    return False
            sql = "UPDATE messages SET pinned_at = ?, pinned_by = ?, updated_at = ? WHERE id = ?"
            c.execute(sql, (now if pinned else None, act.by if pinned else None, now, message.id))
            return True

        return await self._writer.submit(change)

    async def save(self, act: MessageAct, now: int, most: int) -> bool:
        """Save a message for who acts. False when they have saved too many.

        Raises:
            Refused: when the act may not be done.
        """
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> bool:
            may_change(c, act)
            sql = "SELECT count(*) FROM saves WHERE uid = ? AND message_id <> ?"
            if c.execute(sql, (uid, message_id)).fetchone()[0] >= most:
                return False
            c.execute("INSERT OR REPLACE INTO saves VALUES (?, ?, ?)", (uid, message_id, now))
            self._writer.after_commit(lambda: self._savers.add(uid))
            return True

        return await self._writer.submit(add)

    async def unsave(self, message_id: int, uid: str) -> None:
        """Take a message out of a user's saved ones."""
        sql = "DELETE FROM saves WHERE uid = ? AND message_id = ?"
        await self._writer.submit(lambda c: c.execute(sql, (uid, message_id)).rowcount)

    async def saved_at(self, first: int, last: int, uid: str) -> dict[int, int]:
        """When a user saved messages with ids in a range."""
        if uid not in self._savers:
            return {}
        sql = "SELECT message_id, saved_at FROM saves WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return dict(await self._rows(sql, (uid, first, last)))

    # Threads, flags, interactions.

    async def subscribe(self, act: MessageAct, *, wanted: bool) -> None:
        """Follow a thread, or no longer.

        Raises:
            Refused: when the act may not be done.
        """
        sql = "INSERT INTO subscriptions (uid, message_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
        if not wanted:
            sql = "DELETE FROM subscriptions WHERE uid = ? AND message_id = ?"

        def change(c: sqlite3.Connection) -> None:
            may_change(c, act)
            c.execute(sql, (act.by, act.message_id))

        await self._writer.submit(change)

    async def subscribed(self, first: int, last: int, uid: str) -> set[int]:
        """Which threads with ids in a range a user follows."""
        sql = "SELECT message_id FROM subscriptions WHERE uid = ? AND message_id BETWEEN ? AND ?"
        return {row[0] for row in await self._rows(sql, (uid, first, last))}

    async def followed_threads(self, uid: str, *, limit: int, offset: int) -> tuple[list[int], int]:
        """The messages whose threads a user follows and which they may read, latest first, and how many there are."""
        values = {"uid": uid, "limit": limit, "offset": offset}
        sql = f"SELECT s.message_id {_FOLLOWED} ORDER BY s.message_id DESC LIMIT :limit OFFSET :offset"
        rows, total = await self._page(f"SELECT count(*) {_FOLLOWED}", sql, values, values)
        return [row[0] for row in rows], total

    async def flag(self, act: MessageAct, reason_id: str, remark: str | None, now: int) -> None:
        """Keep a user's report of a message.

        Raises:
            Refused: when the act may not be done.
        """

        def add(c: sqlite3.Connection) -> None:
            may_change(c, act)
            values = (act.message_id, act.by, reason_id, remark, now)
            c.execute("INSERT OR REPLACE INTO flags VALUES (?, ?, ?, ?, ?)", values)

        await self._writer.submit(add)

    async def flags(self, *, limit: int, offset: int) -> tuple[list[tuple[int, str, str, str | None, int]], int]:
        """Reports, newest first: message, who, reason, remark, when; and how many there are."""
        sql = "SELECT * FROM flags ORDER BY at DESC, message_id DESC LIMIT ? OFFSET ?"
        return await self._page("SELECT count(*) FROM flags", sql, (), (limit, offset))

    async def interact(self, act: MessageAct, elements: Sequence[str], now: int) -> None:
        """Keep which elements of an interactive message a user has used; the first time counts.

        Raises:
            Refused: when the act may not be done.
        """
        message_id, uid = act.message_id, act.by

        def add(c: sqlite3.Connection) -> None:
            may_change(c, act)
            c.executemany(
                "INSERT INTO interactions VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(message_id, uid, element, now) for element in elements],
            )
            c.execute("UPDATE messages SET traits = traits | ? WHERE id = ?", (int(Trait.INTERACTED), message_id))

        await self._writer.submit(add)

    async def interactions(self, ids: Sequence[int], uid: str) -> dict[int, list[tuple[str, int]]]:
        """Which elements of interactive messages a user has used, and when."""
        marks = ", ".join("?" for _ in ids)
        sql = (
            f"SELECT message_id, element_id, at FROM interactions WHERE uid = ? AND message_id IN ({marks}) ORDER BY at"
        )
        found: dict[int, list[tuple[str, int]]] = {}
        for number, element, at in await self._rows(sql, [uid, *ids]):
            found.setdefault(number, []).append((element, at))
        return found
