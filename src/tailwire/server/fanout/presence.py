"""Knows who is online at all processes: from the sockets of this one, and from the reports of the others.

Each process stores which users are online there in a table of the database. The transaction that does so also tells
whether a user came online or went offline over all processes. Then the process publishes the change to the others,
with a version number that increases by 1. A process that misses a version reads the table, and applies to it what it
has heard since. The grace period after a user's last socket was closed is kept by the process of that socket; a user
who reconnects to another process meanwhile stays online.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable

from tailwire.server.fanout.hub import Hub
from tailwire.server.ports.broker import PRESENCE_DELTAS_SUBJECT, PresenceDelta
from tailwire.server.ports.presence import LocalPresence, PresenceTable, ProcessUsers, State, Transition
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import log

USERS_PER_CALL = 1_000
RETRY_SECONDS = 1.0
MAX_HEARD_DELTAS = 1_000
"""How many deltas of a process are kept while an earlier one is missing. Older ones are read from the table."""


def _local_presence(hub: Hub, uid: str) -> LocalPresence:
    return LocalPresence(uid, hub.is_online(uid), uid in hub.away)


def _state(user: LocalPresence) -> State:
    return State.OFFLINE if not user.online else State.AWAY if user.away else State.ONLINE


def _is_foreground(hub: Hub, uid: str) -> bool:
    # A user whose last socket broke still counts as online for a while, but no app of theirs is connected.
    return bool(hub.sockets_of(uid)) and uid not in hub.away


class SingleProcessPresence:
    """Implements `ports.presence.Presence` for a process that is alone on its store."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._states: dict[str, State] = {}  # only of users who are not offline

    async def record_change(self, uid: str) -> Transition:
        """Read the state of a user from the hub after a change. Return the state recorded before, and the new one."""
        before, after = self._states.get(uid, State.OFFLINE), _state(_local_presence(self._hub, uid))
        if after is State.OFFLINE:
            self._states.pop(uid, None)
        else:
            self._states[uid] = after
        return Transition(before, after)

    def is_foreground(self, uid: str) -> bool:
        """Return whether an app of a user is connected and in the foreground."""
        return _is_foreground(self._hub, uid)

    def is_online_elsewhere(self, uid: str) -> bool:
        """Return False: there is no other process."""
        return False

    def online_elsewhere(self) -> Collection[str]:
        """Return no users: there is no other process."""
        return ()


class SharedPresence:
    """Implements `ports.presence.Presence` for a process that shares its store with others.

    Args:
        hub: knows who is online here, and receives the reports of other processes; its `on_presence_delta` is set.
        table: stores which users are online at which process.
        forget: called with the uids of users whose presence at another process has changed, so that data kept in memory
            about them is dropped.

    Attributes:
        on_returned: called with the uids of users who are online here, but whom others have reported as offline because
            this process was paused for so long that it was declared dead.
    """

    def __init__(self, hub: Hub, table: PresenceTable, forget: Callable[[Iterable[str]], None]) -> None:
        self._hub = hub
        self._table = table
        self._forget = forget
        self._waiting: dict[str, list[asyncio.Future[Transition]]] = {}  # changes that are not stored yet
        self._again: set[str] = set()  # users who are stored again, under this process's new id
        self._task: asyncio.Task[None] | None = None
        self._process = self._version = 0  # of the last change that was stored
        self._elsewhere: dict[str, dict[int, bool]] = {}  # by uid and process: whether they are away there
        self._versions: dict[int, int] = {}  # by process: the version up to which its changes are known here
        self._newest: dict[int, int] = {}  # by process: the version of its newest change here
        self._heard: dict[int, deque[PresenceDelta]] = {}  # what came since a change of a process was missed
        self._behind: dict[
            int, int
        ] = {}  # by process that was behind its table at the last look: the version known then
        self.on_returned: Callable[[list[str]], None] = lambda uids: None
        hub.on_presence_delta = self._handle_delta
        hub.broker.subscribe(PRESENCE_DELTAS_SUBJECT)

    async def start(self) -> None:
        """Read who is online at the other processes. Call this once, before users connect.

        Raises:
            Refused: the store does not answer.
        """
        _, versions = await self._table.versions()
        for process in versions:
            await self._read_users_of(process)

    # This process's users.

    async def record_change(self, uid: str) -> Transition:
        """Store the state of a user of this process, after it changed in the hub, and publish it to other processes.

        Returns:
            The user's state over all processes before and after the change. If the change cannot be stored now, it is
            stored later, and the result follows from what this process knows about the others.
        """
        future: asyncio.Future[Transition] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(uid, []).append(future)
        self._store_soon()
        return await future

    def _store_soon(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._store(), name="tailwire presence")

    async def _store(self) -> None:
        try:
            while self._waiting:
                await self._store_batch()
        finally:
            self._task = None

    async def _store_batch(self) -> None:
        uids = list(self._waiting)[:USERS_PER_CALL]
        calls = {uid: self._waiting.pop(uid) for uid in uids}
        users = [_local_presence(self._hub, uid) for uid in uids]
        try:
            stored = await self._table.store_online(users)
        except Exception as e:  # noqa: BLE001 - those who wait for it must go on, whatever it is
            # They continue with what is known here, which is stored in the table later.
            if isinstance(e, Refused):
                log.debug("changes of who is online could not be stored; trying again later: %s", e)
            else:
                log.exception("storing who is online failed")
            for user in users:
                after = max(_state(user), self._state_elsewhere(user.uid))
                before = self._state_elsewhere(user.uid) if user.online else max(State.ONLINE, after)
                self._answer(calls[user.uid], Transition(before, after))
                self._waiting.setdefault(user.uid, [])
            await asyncio.sleep(RETRY_SECONDS)
            return
        if self._process not in (0, stored.process):
            self._report_again()
        elif stored.version != self._version + 1 and self._version:
            self._store_users(self._hub.online_users())  # the table was emptied meanwhile, by a crash of the database
        self._process, self._version = stored.process, stored.version
        self._hub.broker.publish(PRESENCE_DELTAS_SUBJECT, PresenceDelta(stored.process, stored.version, tuple(users)))
        returned = []
        for user, transition in zip(users, stored.transitions, strict=True):
            self._answer(calls[user.uid], transition)
            if user.uid in self._again and transition.before is State.OFFLINE is not transition.after:
                returned.append(user.uid)
        self._again.difference_update(uids)
        if returned:
            self.on_returned(returned)

    def _answer(self, futures: list[asyncio.Future[Transition]], transition: Transition) -> None:
        for future in futures:
            if not future.cancelled():
                future.set_result(transition)

    def _report_again(self) -> None:
        # This process was declared dead: its users were reported as offline, unless they are elsewhere.
        self._again.update(self._hub.online_users())
        self._store_users(self._again)

    def _store_users(self, uids: Iterable[str]) -> None:
        for uid in uids:
            self._waiting.setdefault(uid, [])
        if self._waiting:
            self._store_soon()

    # Users of other processes.

    def is_foreground(self, uid: str) -> bool:
        """Return whether an app of a user is connected and in the foreground, here or at another process."""
        return _is_foreground(self._hub, uid) or self._state_elsewhere(uid) is State.ONLINE

    def is_online_elsewhere(self, uid: str) -> bool:
        """Return whether a user is online at another process."""
        return uid in self._elsewhere

    def online_elsewhere(self) -> Collection[str]:
        """Return the users who are online at other processes."""
        return self._elsewhere.keys()

    def _state_elsewhere(self, uid: str) -> State:
        away = self._elsewhere.get(uid)
        return State.OFFLINE if not away else State.AWAY if all(away.values()) else State.ONLINE

    def _handle_delta(self, delta: PresenceDelta) -> None:
        if not delta.version:
            self._drop(delta.process)
            return
        process, version = delta.process, delta.version
        known = self._versions.setdefault(process, 0)
        if process == self._process or version <= max(known, self._newest.get(process, 0)):
            return
        self._newest[process] = version
        if version == known + 1:
            self._versions[process] = version
        else:  # some were missed: the next looks notice it
            self._heard.setdefault(process, deque(maxlen=MAX_HEARD_DELTAS))
        if process in self._heard:
            self._heard[process].append(delta)
        self._apply(delta)
        for uid, online, away in delta.users:
            if online and away:
                self._hub.left.record(uid)
        self._forget([uid for uid, _, _ in delta.users])

    def _apply(self, delta: PresenceDelta) -> None:
        for uid, online, away in delta.users:
            self._set_presence(uid, delta.process, away if online else None)

    def _set_presence(self, uid: str, process: int, away: bool | None) -> None:
        processes = self._elsewhere.get(uid)
        if away is not None:
            self._elsewhere.setdefault(uid, {})[process] = away
        elif processes is not None:
            processes.pop(process, None)
            if not processes:
                del self._elsewhere[uid]

    async def look(self, alive: Collection[int]) -> None:
        """Compare the known users of other processes with the table, and correct what was missed.

        The users of a process are read from the table if its version has differed in two calls, and the known version
        has not changed between them: then a change is missing, not only on its way. Users of processes that have ended
        are dropped. `ServerCooperation` calls this every few seconds.

        Args:
            alive: the ids of all processes that run now.

        Raises:
            Refused: the store does not answer.
        """
        mine, versions = await self._table.versions()
        if self._process not in (0, mine):
            self._report_again()
        elif self._process and mine not in versions and not self._waiting:
            self._store_users(self._hub.online_users())  # the table was emptied
        for process in [process for process in self._versions if process not in alive]:
            self._drop(process)
        others = {process: version for process, version in versions.items() if process != mine and process in alive}
        behind = {p: known for p, v in others.items() if (known := self._versions.get(p, 0)) != v}
        for process, known in behind.items():
            if self._behind.get(process) == known:
                await self._read_users_of(process)
        self._behind = behind

    def _drop(self, process: int) -> None:
        for known in (self._versions, self._newest, self._heard):
            known.pop(process, None)
        gone = [uid for uid, processes in self._elsewhere.items() if process in processes]
        for uid in gone:
            self._set_presence(uid, process, None)
        self._forget(gone)

    def forget_process(self, process: int) -> None:
        """Drop the users of a process that was declared dead, and publish that other processes should do so too."""
        self._drop(process)
        self._hub.broker.publish(PRESENCE_DELTAS_SUBJECT, PresenceDelta(process, 0, ()))

    async def _read_users_of(self, process: int) -> None:
        known = self._versions.get(process, 0)
        heard = self._heard.setdefault(process, deque(maxlen=MAX_HEARD_DELTAS))
        try:
            users_of = await self._table.users_of(process)
            if users_of is not None and process != self._process and self._heard.get(process) is heard:  # it still runs
                self._replace_users(process, users_of, heard if users_of.version >= known else ())
        finally:
            if self._versions.get(process, 0) == self._newest.get(process, 0):
                self._heard.pop(process, None)

    def _replace_users(self, process: int, users_of: ProcessUsers, heard: Iterable[PresenceDelta]) -> None:
        # Of a table with a lower version than the known one, which was emptied meanwhile, nothing heard is applied.
        gone = [uid for uid, at in self._elsewhere.items() if process in at and uid not in users_of.away]
        for uid in gone:
            self._set_presence(uid, process, None)
        for uid, away in users_of.away.items():
            self._set_presence(uid, process, away)
        version = newest = users_of.version
        for delta in heard:
            if delta.version > users_of.version:
                self._apply(delta)
                newest = delta.version
                version += delta.version == version + 1
        self._versions[process], self._newest[process] = version, newest
        self._forget([*gone, *users_of.away])

    async def close(self) -> None:
        """Stop storing changes. Other processes drop the users of this one when it has ended."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])
