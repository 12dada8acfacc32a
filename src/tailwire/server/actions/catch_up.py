"""The messages and other events that a client has missed in all its conversations, in the order in which they happened.

A page contains messages, and the changes (reactions, receipts, pins and the like) that happened before the last of
them. So a client can pass a page on to the app without waiting for the next one. A user who has left a group, or whose
group was deleted, receives its messages up to that moment, as they were then, without later changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.actions.messages import Messages
from tailwire.server.actions.rendering import Renderer, without_later
from tailwire.server.actions.services import Services
from tailwire.server.ports.change_log import ChangeRow, EndedMembership, ForgottenEntries
from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import ListedRow
from tailwire.server.ports.refusal import Refused

MAX_CHANGES = 100
"""How many entries of the change log a page may have."""
MAX_ENDED_MEMBERSHIPS = 100
"""How many memberships that the reader has lost a page considers at most."""
MAX_READS = 5
"""How often the messages of a page are read at most, if each time another membership of the reader ends meanwhile."""
RETRY_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class CatchUpRequest:
    """What a client asks for, besides the filter of the messages.

    Attributes:
        after: the client has received all changes up to this number of the change log; None if it has no number yet,
            and then the page contains no changes.
        heard: numbers above `after` of changes that the client has received as well.
        at_most: if the client has missed more messages than this, only the newest ones are returned; 0 for no limit.
    """

    after: int | None
    heard: tuple[int, ...] = ()
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class MissedPage:
    """A page of what was missed.

    Attributes:
        rows: the messages, oldest first.
        encoded: the same messages as JSON, in the same order.
        changes: the frames of the changes, in the order of their numbers.
        known: with this page, the client has received all changes up to this number of the change log.
        more: whether another page follows because of changes that did not fit. The client has to ask for it even if
            this page has fewer messages than the limit.
        lost: changes that happened up to the message with this id may be missing, because the log no longer contains
            them; 0 if none are missing.
        gap: two ids (from, to]: messages with an id in this range were left out because of `at_most`; None if none
            were.
    """

    rows: list[ListedRow]
    encoded: list[bytes]
    changes: list[bytes]
    known: int
    more: bool = False
    lost: int = 0
    gap: tuple[int, int] | None = None


class CatchUp:
    """Reads what a client has missed.

    Attributes:
        frames: makes the frames of changes.
    """

    def __init__(self, services: Services, messages: Messages, renderer: Renderer, frames: ChangeFrames) -> None:
        self._store = services.store
        self._messages = messages
        self._renderer = renderer
        self.frames = frames

    async def newest(self, caller: Caller, newest_id: int) -> tuple[int, int]:
        """Return the position at which a client starts that has received nothing yet, without a backlog.

        Args:
            caller: the user.
            newest_id: the id of the newest message that the user may see now.

        Returns:
            The number of the newest change in the change log, and the id of the newest message after `newest_id` with
            which the user left a group, or 0. Starting after the higher one of both ids, the client does not receive
            old messages of groups that the user has left.
        """
        log = self._store.change_log
        number = await log.newest_number()
        ended = await log.ended_memberships(caller.reader, newest_id, MAX_ENDED_MEMBERSHIPS) if caller.reader else []
        return number, max((membership.until_id for membership in ended), default=0)

    async def page(self, caller: Caller, criteria: MessageFilter, request: CatchUpRequest) -> MissedPage:
        """Return a page of what a user has missed on a device.

        Args:
            caller: the user, and the device. Changes that this device has made are left out.
            criteria: selects messages of all conversations after a cursor; its `limit` bounds their number.
            request: the rest of the client's request.

        Raises:
            Refused: ERR_UNAVAILABLE: memberships of the user ended during each of `MAX_READS` attempts.
        """
        log, cursor = self._store.change_log, criteria.cursor or 0
        # The log is read first: a change that is logged while the page is read will be on the next page.
        newest, forgotten = await log.newest_number(), await log.forgotten_entries()
        found: list[ChangeRow] = []
        if request.after is not None:
            found = await log.find(caller.reader, caller.device, request.after, newest, request.heard, MAX_CHANGES + 1)
        rows, former = await self._rows(caller, criteria)
        gap = None
        if request.at_most and len(rows) >= criteria.limit:
            boundary = await self._store.messages.missed_boundary(caller.reader, caller.device, cursor, request.at_most)
            if boundary > cursor:
                gap = (cursor, boundary)
                rows, former = await self._rows(caller, replace(criteria, cursor=boundary))
        known, more = newest, False
        if len(found) > MAX_CHANGES:
            rest = found.pop()
            known, more = found[-1].number, True
            rows = [row for row in rows if row.id <= rest.after_id]
        if len(rows) >= criteria.limit and (later := next((c for c in found if c.after_id > rows[-1].id), None)):
            known = later.number - 1
            found = [change for change in found if change.number <= known]
        return MissedPage(
            rows,
            await self._render(caller, rows, former),
            await self.frames.frames_for(caller, found),
            known,
            more,
            _lost(request.after, newest, forgotten, cursor),
            gap,
        )

    async def _rows(
        self, caller: Caller, criteria: MessageFilter
    ) -> tuple[list[ListedRow], dict[int, EndedMembership]]:
        # Returns the messages, oldest first, and the lost memberships by the ids of those messages that the reader may
        # see only as a former member. If a membership ended between the two reads, neither would include its messages,
        # and the client's position would pass them; so both are read again. The number of attempts is limited, because
        # another user may remove the reader from groups again and again.
        log, cursor = self._store.change_log, criteria.cursor or 0
        ended = await log.ended_memberships(caller.reader, cursor, MAX_ENDED_MEMBERSHIPS)
        for _ in range(MAX_READS):
            rows = await self._messages.list_page(caller, criteria)
            ended, before = await log.ended_memberships(caller.reader, cursor, MAX_ENDED_MEMBERSHIPS), ended
            if ended == before:
                break
        else:
            raise Refused("ERR_UNAVAILABLE", retry_after=RETRY_AFTER_SECONDS)
        former: dict[int, EndedMembership] = {}
        for membership in ended:
            since = max(membership.since_id, criteria.cursor or 0)
            in_group = key_of("", membership.guid, "group")
            then = MessageFilter("", in_group, newer=True, cursor=since, limit=criteria.limit)
            known = {row.id for row in rows}
            for row in await self._store.messages.find(then):
                if row.id <= membership.until_id and row.id not in known:
                    former[row.id] = membership
                    rows.append(row)
        rows.sort(key=lambda row: row.id)
        return rows[: criteria.limit], former

    async def _render(self, caller: Caller, rows: list[ListedRow], former: dict[int, EndedMembership]) -> list[bytes]:
        rendered = await self._renderer.render_all([row for row in rows if row.id not in former], caller.reader)
        following = iter(rendered)
        return [await self._as_of_then(row, former[row.id]) if row.id in former else next(following) for row in rows]

    async def _as_of_then(self, row: ListedRow, membership: EndedMembership) -> bytes:
        # A message that was edited afterwards is reduced to its id: its earlier content is not stored.
        if row.edited_at is not None and await self._store.change_log.last_edit(row.id) > membership.until_id:
            return b'{"id":"%d","data":"not available: it was edited after you left the group"}' % row.id
        return without_later(row).json()


def _lost(after: int | None, newest: int, forgotten: ForgottenEntries, cursor: int) -> int:
    if after is None:
        return 0
    if after > newest:  # the store was restored
        return max(1, cursor)
    return max(1, forgotten.after_id) if after < forgotten.number else 0
