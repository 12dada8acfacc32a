"""Runs a plan against the real server. After each step, compares the frames and responses of all users with the model."""

from __future__ import annotations

import asyncio
import atexit
import copy
import itertools
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from rights import consequences, operations
from rights.frames import key_of, wrong_frames, wrong_hooks
from rights.meanings import Meanings
from rights.missed import Missed
from rights.operations import Contradiction, Deviation, Effects, Operation, ReceivedChange
from rights.others import OTHERS
from rights.plan import SLOW, UIDS, Plan, Step
from rights.stage import Answer, Backend
from rights.state import Person, State
from rights.views import View, find_difference, views
from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.world import virtual_loop

CATCH_UP_INTERVAL_STEPS = 7  # steps after which two random users catch up; some are far behind by then
VIEWING_USERS, VIEWS_PER_USER = 2, 6  # users whose lists are compared after a step, and lists of each
ROLES = {
    "shy": {"name": "Shy", "settings": {"listUsers": "friendsOnly", "sendMessagesTo": "friendsOnly"}},
    "mute": {"name": "Mute"},
}
RESTRICTED = ["createMessage", "createMessageThread", "createGroup", "joinGroup"]


class CompletedAction(NamedTuple):
    """An action that ran concurrently with others: its response, and the virtual times at which it began and ended."""

    operation: Operation
    answer: Answer
    begin: float
    end: float


@dataclass
class Report:
    """The statistics of a run.

    Attributes:
        steps: steps that were played.
        accepted: operations that succeeded.
        refused: operations that were refused.
        looks: lists and single objects that were compared.
        requests: operations by kind.
        done: operations that succeeded, by kind.
    """

    steps: int = 0
    accepted: int = 0
    refused: int = 0
    looks: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)


def simulate(
    plan: Plan, ignore: frozenset[str] = frozenset(), *, looks: bool = True, all_views: bool = False
) -> Report:
    """Run a plan. For every third seed, webhook events are compared as well (which doubles the time).

    Args:
        plan: the plan.
        looks: compare some lists after each step; else only responses and frames, and the lists at the end.
        all_views: compare all lists of all users after each step (hundreds of requests).
        ignore: rules whose deviations are ignored.

    Raises:
        Deviation: the first one found.
    """
    with _folder() as (folder, key), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_play(plan, folder, key, ignore, looks, all_views))


@lru_cache
def _template() -> tuple[Path, str]:
    # The database is created once, because that takes longer than ten steps.
    folder = Path(tempfile.mkdtemp(prefix="tailwire-rights-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)

    async def make() -> str:
        backend = Backend(folder)
        await backend.server.start()
        await backend.server.stop()
        return backend.server.api_key

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return folder, runner.run(make())


@contextmanager
def _folder() -> Iterator[tuple[Path, str]]:
    template, key = _template()
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # durability is not needed
    with tempfile.TemporaryDirectory(prefix="tailwire-rights-", dir=memory) as folder:
        shutil.copytree(template, folder, dirs_exist_ok=True)
        yield Path(folder), key


async def _play(plan: Plan, folder: Path, key: str, ignore: frozenset[str], looks: bool, all_views: bool) -> Report:
    backend = Backend(folder, hooks=plan.seed % 3 == 2)
    backend.server.api_key = key
    async with backend:
        player = Player(backend, plan.seed, ignore, looks)
        await player.begin(plan.cast)
        for number, step in enumerate(plan.steps):
            try:
                await player.play(step)
                if all_views:
                    await player.look_at_everything()
            except Deviation as e:
                raise Deviation(e.rule, str(e).removeprefix(e.rule + ": "), step, number) from None
        await player.look_at_everything()
        return player.report


class Player:
    """A run, with the server and the model."""

    def __init__(self, backend: Backend, seed: int, ignore: frozenset[str], looks: bool) -> None:
        self.backend = backend
        self.state = State()
        self.report = Report()
        self._random = random.Random(seed)
        self._ignore = ignore
        self._looks_at = VIEWING_USERS if looks else 0
        self.meanings = Meanings(lambda: self.state)
        self.missed = Missed(backend)

    async def begin(self, cast: Iterable[str]) -> None:
        """Create the roles and the users of a plan."""
        for role, body in ROLES.items():
            await self.require_success("POST", "/roles", {"role": role, **body})
        await self.require_success("POST", "/roles/mute/restrictedfeatures", {"featuresToRestrict": RESTRICTED})
        for uid in cast:
            # A server may refuse a name that looks like a conversation between two users.
            if (await self.backend.add_user(uid)).status == 200 or "_user_" not in uid:
                self.state.people[uid] = Person(uid)

    async def require_success(self, method: str, path: str, body: Any) -> Answer:
        """Send a request of the app itself.

        Raises:
            Deviation: it does not succeed.
        """
        answer = await self.backend.ask(method, path, json=body)
        if answer.status != 200:
            raise Deviation("administration", f"{method} {path}: {answer.body!r}")
        return answer

    # Steps.

    async def play(self, step: Step) -> None:
        """Run one step, and compare frames and some lists with the model.

        Raises:
            Deviation: the first one found.
        """
        self.report.steps += 1
        before = len(self.backend.failed)
        if step[0] == "together":
            await self._together(step)
        elif step[0] in OTHERS:
            expected = await OTHERS[step[0]](self, *step[1:])
            if expected is not None:
                await self._compare([(self.state, expected, [])], ())
        else:
            operation = self.meanings.operation(step)
            if operation is not None:
                await self._play_alone(operation)
        if self.backend.failed[before:]:
            self._deviate("failure", self.backend.failed[-1])
        if self.report.steps % CATCH_UP_INTERVAL_STEPS == 0:
            await self.catch_up()
        for uid in self._random.choices(self.state.everybody() or [""], k=self._looks_at):
            some = list(views(self.state, uid)) if uid else []
            await self._look([(uid, view) for view in self._random.sample(some, min(VIEWS_PER_USER, len(some)))])

    def _deviate(self, rule: str, what: str) -> None:
        if rule not in self._ignore:
            raise Deviation(rule, what)

    async def _ask(self, operation: Operation) -> Answer:
        method, path, body = operations.request(operation)
        answer = await self.backend.ask(method, path, as_=operation.who, json=body)
        if answer.status >= 500:
            self._deviate("failure", self.backend.failed[-1])
        self.report.accepted += answer.status == 200
        self.report.refused += answer.status != 200
        self.report.requests[operation.what] += 1
        self.report.done[operation.what] += answer.status == 200
        return answer

    async def _play_alone(self, operation: Operation) -> None:
        codes = operations.judge(self.state, operation)
        answer = await self._ask(operation)
        if answer.code not in codes:
            problem = f"{operation} was answered {answer.code or 'with success'}, not {sorted(codes)}"
            raise Deviation(f"right: {operation.what}", problem)
        try:
            effects = self._commit(self.state, operation, answer)
        except Contradiction as e:
            raise Deviation(f"answer: {operation.what}", f"{operation}: {e}") from None
        await self._compare([(self.state, [(t, _device(operation)) for t in effects.frames], effects.hooks)], ())

    def _commit(self, s: State, operation: Operation, answer: Answer) -> Effects:
        return consequences.commit(s, operation, answer.data) if answer.status == 200 else Effects()

    async def _together(self, step: Step) -> None:
        # Concurrent steps: responses, frames and state must fit one order in which they may have been executed.
        _, timing, *steps = step
        begun = [operation for operation in map(self.meanings.operation, steps) if operation is not None]
        r = random.Random(timing)
        loop = virtual_loop()
        slow = itertools.chain([0.1], itertools.repeat(0.0))  # only the first password check
        loop.executor_seconds = (lambda: next(slow)) if timing == SLOW else lambda: r.choice((0.0, 0.001, 0.01, 0.05))

        async def ask(operation: Operation, after: float) -> CompletedAction:
            await asyncio.sleep(after)
            begin = loop.time()
            return CompletedAction(operation, await self._ask(operation), begin, loop.time())

        waits = [n * 0.02 if timing == SLOW else r.choice((0.0, 0.0, 0.002, 0.02)) for n in range(len(begun))]
        done = await asyncio.gather(*map(ask, begun, waits))
        loop.executor_seconds = float
        orders = list(self._orders(done))
        if not orders:
            raise Deviation(
                "race", "in no order: " + "; ".join(f"{d.operation}: {d.answer.code or 'success'}" for d in done)
            )
        concerned = {operation.who for operation in begun} | {
            a for operation in begun for a in operation.args if a in UIDS
        }
        self.state = await self._compare(orders, concerned)

    def _orders(
        self, done: list[CompletedAction]
    ) -> Iterator[tuple[State, list[tuple[ReceivedChange, str]], list[Any]]]:
        for order in itertools.permutations(done):
            if any(later.end < one.begin for one, later in itertools.combinations(order, 2)):
                continue  # an action that ended before another started precedes it
            state, frames, hooks = copy.deepcopy(self.state), [], []
            for operation, answer, _, _ in order:
                if answer.code not in operations.judge(state, operation):
                    break
                try:
                    effects = self._commit(state, operation, answer)
                except Contradiction:
                    break
                frames += [(t, _device(operation)) for t in effects.frames]
                hooks += effects.hooks
            else:
                left = _users_who_left(self.state, state)
                for change, _ in frames:  # a member who leaves concurrently may be gone before the frame is sent
                    change.once, change.must = change.must & left, change.must - left
                yield state, frames, hooks

    # Comparing.

    async def _compare(
        self, worlds: list[tuple[State, list[tuple[ReceivedChange, str]], list[Any]]], looked_at: Any
    ) -> State:
        # With several possible states, one of them must match.
        await asyncio.sleep(1)
        backend = self.backend
        received = {client: [key_of(frame) for frame in client.take()] for client in backend.clients}
        hooks, backend.hooks = backend.hooks, []
        first: list[tuple[str, str]] = []
        for state, frames, right in worlds:
            found = [
                *wrong_frames(backend.clients, received, frames),
                *(wrong_hooks(hooks, right) if backend.has_receiver else ()),
            ]
            if len(worlds) > 1 or looked_at:
                some = [(uid, view) for uid in sorted(looked_at) if state.exists(uid) for view in views(state, uid)]
                found += [
                    wrong_
                    for uid, view in some
                    if _shows_memberships(view) and (wrong_ := await self._wrong(uid, view))
                ]
            found = [one for one in found if one[0] not in self._ignore]
            if not found:
                self.missed.record(frames)
                return state
            first = first or found
        rule, what = first[0]
        raise Deviation(rule if not looked_at else f"race: {rule}", what)

    async def _wrong(self, uid: str, view: View) -> tuple[str, str] | None:
        self.report.looks += 1
        answer = await self.backend.ask("GET", view.path, as_=uid)
        problem = find_difference(view, answer.status, answer.code, answer.data if answer.status == 200 else None)
        return (f"view: {view.rule}", f"GET {view.path} as {uid}: {problem}") if problem else None

    async def _look(self, some: list[tuple[str, View]]) -> None:
        for uid, view in some:
            found = await self._wrong(uid, view)
            if found is not None:
                self._deviate(*found)

    async def catch_up(self, *, all_of_them: bool = False) -> None:
        """Catch up on the devices without a socket, and compare with what their users' sockets received live.

        Args:
            all_of_them: the devices of all users, not of two users at random.
        """
        everybody = self.state.everybody()
        for uid in everybody if all_of_them else self._random.choices(everybody or [""], k=2):
            if uid and (found := await self.missed.find_wrong(self.state, uid)) is not None:
                self._deviate(*found)

    async def look_at_everything(self) -> None:
        """Compare the responses of all users, and the catch-ups of all users who were away."""
        await self.catch_up(all_of_them=True)
        for uid in self.state.everybody():
            await self._look([(uid, view) for view in views(self.state, uid)])


def _device(operation: Operation) -> str:
    return f"{operation.who}-phone"


def _users_who_left(before: State, after: State) -> set[str]:
    # Users who are no longer members of a group, or whose group was deleted.
    gone = set()
    for group in before.groups.values():
        now = after.groups.get(group.guid)
        still = now.members if now is not None and now.number == group.number else {}
        gone |= group.members.keys() - still.keys()
    return gone


def _shows_memberships(view: View) -> bool:
    # A few requests that distinguish the two orders of two actions.
    return view.rule in ("groups", "members", "banned", "messages", "blocked users", "saved", "message")
