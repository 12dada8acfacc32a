"""The plan of a run as data. It is made from a seed, can be stored as JSON, and can run without any of its steps."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

from tailwire.testing.simulation import networks, wider_world
from tailwire.testing.simulation.steps import DEVICES, USERS, Step

TOKEN_LIFETIME_SECONDS = 1800.0
SHORT, MEDIUM, LONG = (0.0005, 0.05), (0.1, 8.0), (10.0, 900.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run. Runs of equal plans are equal.

    Attributes:
        seed: decides what the steps do not: delays, jitter, the clients' randomness, some settings.
        steps: what happens, in order.
    """

    seed: int
    steps: tuple[Step, ...]

    @property
    def token_lifetime(self) -> float:
        """Seconds until auth tokens expire, in a fifth of the plans; 0.0 in the others, where they do not expire."""
        return TOKEN_LIFETIME_SECONDS if self.seed % 5 == 3 else 0.0

    @property
    def keeps_files(self) -> bool:
        """Whether apps keep their sessions in files, because the plan starts second processes, which share them."""
        return any(step.what in wider_world.SECOND_PROCESS for step in self.steps)

    @property
    def has_low_limits(self) -> bool:
        """Whether limits of clients and server are low (see `limits`): in a tenth of the plans, and in some others."""
        return self.seed % 10 == 7 or self.seed % 36 == 4 != self.seed

    @property
    def has_pushes(self) -> bool:
        """Whether devices register for push notifications, so that the server needs a push service."""
        return any(step.what == "register push" for step in self.steps)

    def to_json(self) -> str:
        """Return JSON that `from_json` reads, one step per line."""
        steps = ",\n".join(json.dumps([s.wait, s.who, s.what, s.value]) for s in self.steps)
        return f'{{"seed": {self.seed}, "steps": [\n{steps}\n]}}'

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan from JSON.

        Raises:
            ValueError, KeyError, TypeError: the text is not a plan.
        """
        read = json.loads(text)
        return cls(int(read["seed"]), tuple(Step(*step) for step in read["steps"]))


_OWNERS_DEVICES = [name for name in DEVICES if name.startswith(USERS[0])]
# Steps and their weights. Each run uses some of them (see `make_plan`).
_USER_ACTIONS: dict[str, int] = {
    "say": 14, "say group": 8, "burst": 3, "queue": 9, "edit": 3, "delete": 2, "read": 4, "type": 2, "react": 2,
}  # fmt: skip
_APP_ACTIONS: dict[str, int] = {
    "connect": 3, "disconnect": 2, "ping": 3, "background": 4, "foreground": 6, "hint offline": 2, "hint online": 3,
    "log out": 1, "log in": 2, "close": 2, "kill": 5, "start": 7,
}  # fmt: skip
_MACHINE_EVENTS: dict[str, int] = {"sleep": 2, "clock": 1, "raise": 2, "block": 2}
_LINE_FAULTS: dict[str, int] = {"drop": 4, "half open": 3, "cut amid": 5, "offline": 3, "back": 5}
_NETWORK_EVENTS: dict[str, int] = {
    "swallow": 1, "refuse": 1, "nameless": 1, "untrusted": 1, "slow accept": 1, "jitter": 2, "restore": 6, "drop": 2,
    "freeze": 1,
}  # fmt: skip
_SERVER_EVENTS: dict[str, int] = {"kill": 3, "stop": 2, "start": 6, "clock": 1, "revoke": 1, "slow work": 2}


def make_plan(seed: int, steps: int = 60) -> Plan:
    """Return the plan of a seed.

    Half of the plans have pins, saves and receipts; a third have membership changes and overload; a quarter lose
    messages on the server; a sixth restore older backups; in a fifth tokens expire. One in eighteen has slow lines
    and several addresses, another one portals and proxies; a ninth consist of long hours without faults. In a sixth
    the app's backend acts, in an eighth proxies repeat requests; in a quarter a user changes their conversations, in
    another one users reply in threads; in an eleventh apps are started twice; in a fifth messages have tags, mentions
    and files; in an eighth single devices are logged out and receive push notifications; in one of 40 a device misses
    more than 1,000 messages.

    Each plan leaves out some kinds of steps, because one fault may mask another.

    Args:
        seed: decides everything.
        steps: the maximum number of basic steps; those of the kinds above are added to them.
    """
    if seed % 9 == 8:
        hours = networks.busy_hours if seed % 18 == 8 else networks.quiet_hours
        return Plan(seed, tuple(hours(random.Random(-seed))))
    chance = random.Random(seed)
    vocabulary: list[tuple[str, str, int]] = [("device", what, often) for what, often in _USER_ACTIONS.items()]
    for kind, words in (
        ("device", _APP_ACTIONS),
        ("device", _MACHINE_EVENTS),
        ("line", _LINE_FAULTS),
        ("network", _NETWORK_EVENTS),
        ("server", _SERVER_EVENTS),
    ):
        share = chance.choice((0.0, 0.3, 0.7, 1.0))
        vocabulary += [(kind, what, often) for what, often in words.items() if chance.random() < share]
    follow = [
        what for _, what, _ in vocabulary if what in ("kill", "close", "drop", "cut amid", "offline", "background")
    ]
    pace = chance.choice(((8, 3, 1), (3, 3, 1), (1, 4, 3)))
    made = []
    for _ in range(chance.randint(steps // 3, steps)):
        ((kind, what, _),) = chance.choices(vocabulary, [often for _, _, often in vocabulary])
        (span,) = chance.choices((SHORT, MEDIUM, LONG), pace)
        wait = round(chance.uniform(*span), 5)
        who = chance.choice(DEVICES) if kind in ("device", "line") else kind
        made.append(Step(wait, who, what, _value(chance, who, what)))
        if what in _USER_ACTIONS and follow and chance.random() < 0.25:
            # Add a fault that soon follows, so that it happens while the action is pending.
            after = chance.choice(follow)
            made.append(Step(round(chance.uniform(*SHORT), 5), who, after, _value(chance, who, after)))
    if seed % 3 == 2:
        made = _with_membership_changes(made, random.Random(-seed))
    if seed % 2 == 0:
        made = _with_annotations(made, random.Random(-seed - 2))
    if seed % 4 == 1:
        made = _with_losses(made, random.Random(-seed))
    if seed % 6 == 3:
        made = _with_copies(made, random.Random(-seed - 1))
    if seed % 18 == 4:
        made = networks.with_lines(made, random.Random(-seed))
    if seed % 18 == 13:
        made = networks.with_middleboxes(made, random.Random(-seed))
    return Plan(seed, tuple(_with_special_steps(made, seed)))


def _with_special_steps(steps: list[Step], seed: int) -> list[Step]:
    # Add what only some runs have: the app's backend, repeated requests, lists, threads, contents, logouts, many
    # missed messages.
    if seed % 5 == 4 and seed % 6 != 3:
        steps = wider_world.with_backend(steps, random.Random(-seed - 3))
    elif seed % 7 == 3:
        steps = wider_world.with_repeats(steps, random.Random(-seed - 3))
    if seed % 8 == 5 or seed % 8 == 2:
        steps = wider_world.with_lists(steps, random.Random(-seed - 5))
    if seed % 8 == 7 or seed % 8 == 4:
        steps = wider_world.with_threads(steps, random.Random(-seed - 6))
    if seed % 11 == 6:
        steps = wider_world.with_second_processes(steps, random.Random(-seed - 7))
    if seed % 8 == 3 or seed % 16 == 6:
        steps = wider_world.with_contents(steps, random.Random(-seed - 8))
    if seed % 16 == 9 or seed % 16 == 12:
        steps = wider_world.with_logouts(steps, random.Random(-seed - 9))
    if seed % 40 == 31:
        steps = wider_world.with_a_flood(steps, random.Random(-seed - 4))
    return steps


def _with_membership_changes(steps: list[Step], chance: random.Random) -> list[Step]:
    # Add membership changes and overload between the given steps.
    made = []
    for step in steps:
        made.append(step)
        if chance.random() < 0.4:
            uid = chance.choice(USERS[1:])
            what = chance.choice((
                "leave", "join", "join", "kick", "add", "add", "ban", "unban", "busy", "scope", "transfer",
            ))  # fmt: skip
            if what == "transfer":
                made += _transfer(chance, uid)
            elif what == "scope":
                scope = chance.choice(("moderator", "participant"))
                made.append(Step(0.0, chance.choice(_OWNERS_DEVICES), what, [uid, scope]))
            elif what == "busy":
                made.append(Step(0.0, "server", what, chance.choice((0.3, 5.0, 60.0))))
            elif what in ("leave", "join"):
                made.append(Step(0.0, chance.choice([p for p in DEVICES if p.startswith(uid)]), what))
            else:
                made.append(Step(0.0, chance.choice(_OWNERS_DEVICES), what, uid))
    return made


def _transfer(chance: random.Random, uid: str) -> list[Step]:
    # The owner gives the group away, and deletes it or gets it back, if nothing fails.
    steps = [Step(0.0, chance.choice(_OWNERS_DEVICES), "transfer", uid)]
    owners = [name for name in DEVICES if name.startswith(uid)]
    back = Step(round(chance.uniform(*MEDIUM), 5), chance.choice(owners), "transfer", USERS[0])
    if chance.random() < 0.6:
        steps.append(back)
    elif chance.random() < 0.5:
        steps.append(Step(back.wait, chance.choice([*owners, *_OWNERS_DEVICES]), "disband"))
    return steps


def _with_annotations(steps: list[Step], chance: random.Random) -> list[Step]:
    # Add pins, saves, removed reactions and receipts between the given steps.
    made = []
    for step in steps:
        made.append(step)
        if chance.random() < 0.3:
            what = chance.choice(("react", "unreact", "pin", "unpin", "save", "read", "read group"))
            made.append(Step(0.0, chance.choice(DEVICES), what))
    return made


def _with_losses(steps: list[Step], chance: random.Random) -> list[Step]:
    # Let the server lose messages.
    made = []
    for step in steps:
        if chance.random() < 0.2:
            made.append(Step(0.0, "server", "lose", chance.choice((1, 1, 2, 5))))
        made.append(step)
    return made


def _with_copies(steps: list[Step], chance: random.Random) -> list[Step]:
    # Take or restore a backup now and then.
    made = []
    for step in steps:
        made.append(step)
        if chance.random() < 0.15:
            if chance.random() < 0.5:
                made.append(Step(0.0, "server", "copy"))
            else:
                made.append(Step(0.0, "server", "put back", chance.choice((0.0, 0.3, 5.0, 60.0))))
    return made


def _value(chance: random.Random, who: str, what: str) -> Any:
    if what in ("say", "queue"):
        return chance.choice([u for u in USERS if not who.startswith(u)])
    if what == "burst":
        return chance.randint(2, 40)
    if what == "sleep":
        return chance.choice((20, 120, 3600, 8 * 3600))
    if what == "clock":
        return chance.choice((-90_000, -3600, -5, 5, 3600, 90_000))
    if what == "cut amid":
        return chance.choice((0, 1, 2, 5, 20, 60, 150, 300, 1000))
    if what in ("block", "freeze"):
        return chance.choice((0.5, 4.0, 25.0))
    if what in ("kill", "stop") and who == "server":
        return chance.choice((0.0, 0.3, 5.0, 60.0))  # seconds until it is restarted
    if what in ("jitter", "slow work", "slow accept"):
        return chance.choice((0.001, 0.02, 0.3, 2.0))
    if what == "revoke":
        return chance.choice(USERS)
    return None
