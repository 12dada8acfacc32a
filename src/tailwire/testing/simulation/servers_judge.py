"""Judge a simulation of several servers: nothing that was acknowledged is lost, duplicated, or out of order.

Nothing is sent twice to a webhook or device, unless its sender died or could not store that it was sent. All servers
agree on who is online.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from tailwire.server.app.several import CLEANUP_LEASE, WEBHOOK_LEASE
from tailwire.server.push.lane import ATTEMPT_TIMEOUT_SECONDS
from tailwire.testing.simulation.servers_observed import BrokenPromise, Outcome, Post, PushPost
from tailwire.testing.simulation.servers_push import LEASES as PUSH_LEASES
from tailwire.testing.simulation.servers_queue import WEBHOOK
from tailwire.testing.simulation.servers_store import USERS

if TYPE_CHECKING:
    from tailwire.testing.simulation.servers import ServersRun

LEASES = (CLEANUP_LEASE, WEBHOOK_LEASE + WEBHOOK, *PUSH_LEASES)


def judge(run: ServersRun) -> None:
    """Check all promises of a run, after a time without faults (`QUIET_SECONDS`).

    Raises:
        BrokenPromise: a promise was broken.
    """
    for error in run.observed.failures:
        raise BrokenPromise(repr(error)) from error
    _judge_clients(run)
    _judge_sends(run)
    _judge_processes(run)
    _judge_presence(run)
    _judge_deliveries(run)
    _judge_pushes(run)


def judge_leases(run: ServersRun) -> None:
    """Check that at this moment at most one running server acts as the holder of each lease.

    A lease is the right of one server to do something for all. Servers whose process is stopped are not counted.

    Raises:
        BrokenPromise: several servers act as the holder of a lease.
    """
    for name in LEASES:
        holders = [s.number for s in run.servers if not s.stopped and s.parts.store.leases.holds(name)]
        if len(holders) > 1:
            raise BrokenPromise(f"servers {holders} hold the lease {name}")


def _judge_clients(run: ServersRun) -> None:
    store = run.store
    for phone in run.phones:
        if phone.start is None:
            raise BrokenPromise(f"{phone.uid} could not log in")
        wanted = [n for n in store.visible(phone.uid) if n > phone.start[0]]
        _same(f"messages of {phone.uid}", [n for n in phone.messages if n > phone.start[0]], wanted)
        _each_once(f"changes of {phone.uid}", phone.changes, _changes_of(run, phone.uid, phone.start[1]))
    for uid, frames in run.plain_clients:
        wanted = [n for n in store.visible(uid) if n > run.newest_at_start[1]]
        _same(f"frames of {uid}", [f["m"] for f in frames if "m" in f], wanted)
        _each_once(
            f"changes for {uid}", [f["c"] for f in frames if "c" in f], _changes_of(run, uid, run.newest_at_start[0])
        )


def _judge_sends(run: ServersRun) -> None:
    tags = {number: msgspec.json.decode(body)["tag"] for number, body in run.store.bodies().items()}
    twice = [tag for tag, count in Counter(tags.values()).items() if count > 1]
    if twice:
        raise BrokenPromise(f"sends {twice} are stored twice")
    lost = {tag: number for tag, number in run.observed.acknowledged.items() if tags.get(number) != tag}
    if lost:
        raise BrokenPromise(f"acknowledged sends are not stored under their ids: {lost}")


def _judge_processes(run: ServersRun) -> None:
    late = [commit for commit in run.database.commits if not commit.alive]
    if late:
        raise BrokenPromise(f"batches of processes that had been declared dead were carried out: {late}")
    hanging = [server.number for server in run.closing if not server.dead]
    if hanging:
        raise BrokenPromise(f"the shutdown of the servers {hanging} has not ended")
    here = {server.parts.store.lane.process for server in run.servers}
    if here != run.database.processes.keys():
        raise BrokenPromise(f"the servers are processes {here}, and the database has {set(run.database.processes)}")
    for name in LEASES:
        if not any(server.parts.store.leases.holds(name) for server in run.servers):
            raise BrokenPromise(f"nobody holds the lease {name}")


def _judge_presence(run: ServersRun) -> None:
    online = {socket.uid for server in run.servers for socket in server.sockets if socket.open}
    uids = {phone.uid for phone in run.phones} | run.guests.keys()
    for server in run.servers:
        believed = {uid for uid in uids if server.parts.is_online(uid)}
        if believed != online:
            raise BrokenPromise(f"online are {sorted(online)}, and server {server.number} says {sorted(believed)}")
    stored = {uid for uid, _ in run.database.presence}
    if stored != online:
        raise BrokenPromise(f"online are {sorted(online)}, and the database has {sorted(stored)}")


def _judge_deliveries(run: ServersRun) -> None:
    posts, dead = run.observed.posts, run.database.declared_dead
    if run.database.queue.waiting:
        raise BrokenPromise(f"deliveries {run.database.queue.waiting} still wait")
    first: dict[int, Post] = {}
    sent: dict[int, Post] = {}
    for post in posts:
        first.setdefault(post.delivery, post)
        earlier = sent.setdefault(post.delivery, post)
        if earlier is post:
            if post.outcome is Outcome.REFUSED:
                del sent[post.delivery]
            continue
        if earlier.process in dead and dead[earlier.process] <= post.at:
            continue  # nobody else knows whether it was sent
        if earlier.outcome is Outcome.UNKNOWN and earlier.process in run.stopped_processes:
            continue
        if not any(earlier.at <= at <= post.at for at in earlier.failures):
            raise BrokenPromise(f"delivery {post.delivery} is sent twice: {earlier}, {post}")
    if list(first) != sorted(first):
        raise BrokenPromise(f"deliveries are out of order: {list(first)}")
    reported = sorted(post.message for post in first.values())
    if reported != sorted(run.store.bodies()):
        raise BrokenPromise(
            f"messages {sorted(set(run.store.bodies()) ^ set(reported))} are not reported, or do not exist"
        )


def _judge_pushes(run: ServersRun) -> None:
    posts, dead = run.observed.push_posts, run.database.declared_dead
    wanted = [n for uid in USERS for n in run.store.visible(uid) if run.store.is_direct(n)]
    if {post.message for post in posts} != set(wanted):
        missing = sorted(set(wanted) - {post.message for post in posts})
        raise BrokenPromise(f"nobody was notified of messages {missing}, or of others that they do not receive")
    sent: dict[int, PushPost] = {}
    for post in posts:
        earlier = sent.setdefault(post.message, post)
        if earlier is post:
            continue
        if earlier.process in dead and dead[earlier.process] <= post.at:
            continue  # nobody else knows whether it was sent
        if not earlier.answered and (
            earlier.process in run.stopped_processes or post.at - earlier.at >= ATTEMPT_TIMEOUT_SECONDS
        ):
            continue  # its server has stopped, or was paused while it waited for the answer
        if not any(earlier.at <= at <= post.at for at in earlier.failures):
            raise BrokenPromise(f"a user is notified of message {post.message} twice: {earlier}, {post}")


def _changes_of(run: ServersRun, uid: str, after: int) -> list[int]:
    return [n for n, row in run.store.entries.items() if n > after and run.store.concerns(row, uid)]


def _same(what: str, found: list[int], wanted: list[int]) -> None:
    if found != wanted:
        missing, more = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
        raise BrokenPromise(f"{what}: missing {missing}, unexpected {more}, received {found}")


def _each_once(what: str, found: list[int], wanted: list[int]) -> None:
    if len(found) != len(set(found)):
        raise BrokenPromise(f"{what}: twice {sorted({n for n in found if found.count(n) > 1})}")
    if not set(wanted) <= set(found):
        raise BrokenPromise(f"{what}: missing {sorted(set(wanted) - set(found))}")
