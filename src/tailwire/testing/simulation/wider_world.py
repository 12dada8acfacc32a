"""Add steps of special kinds to plans: the app's backend, repeated requests, lists of conversations, threads, second
processes, tags, mentions and files, remote logouts, and a flood of messages.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tailwire.testing.simulation.steps import DEVICES, USERS, Step

FLOOD_MESSAGES = 1_200
GROUP = "team"
TAGS = ["red", "blue", "späť"]
MENTIONED = [*USERS, "nobody"]
"""The uids that texts mention. `nobody` does not exist, so that such a mention has no effect."""
SECOND_PROCESS = ("second", "second close", "second kill")


def _after_some(steps: list[Step], chance: random.Random, share: float, more: Callable[[], list[Step]]) -> list[Step]:
    # Return the steps; after each of them, with the probability `share`, those that `more` returns are inserted.
    made = []
    for step in steps:
        made.append(step)
        if chance.random() < share:
            made += more()
    return made


def with_backend(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with steps of the app's backend between them: it sends, deletes, and changes the group."""

    def act() -> list[Step]:
        what = chance.choice(("say", "say", "say", "remove", "remove", "kick", "add", "add", "scope", "disband"))
        uid = chance.choice(USERS)
        value = {
            "say": [uid, chance.choice([GROUP, *(other for other in USERS if other != uid)])],
            "remove": None, "disband": None,
        }.get(what, chance.choice(USERS[1:]))  # fmt: skip
        return [Step(0.0, "backend", what, value)]

    return _after_some(steps, chance, 0.25, act)


def with_repeats(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps with others added at random, which make requests arrive several times.

    At the beginning most devices get a proxy that repeats their requests. Between the given steps devices set and undo
    reactions and saves, or repeat their last request (`repeat`).
    """
    proxies = [Step(0.0, name, "proxy", ["repeat"]) for name in DEVICES if chance.random() < 0.7]

    def react() -> list[Step]:
        what = chance.choice(("react", "unreact", "react", "unreact", "save", "unsave", "repeat", "repeat"))
        return [Step(round(chance.uniform(0.0, 0.3), 3), chance.choice(DEVICES), what)]

    return proxies + _after_some(steps, chance, 0.5, react)


def with_lists(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with others between them in which alice changes the list of conversations on one device.

    Alice's other device must then be notified.
    """

    def change() -> list[Step]:
        who = chance.choice([name for name in DEVICES if name.startswith(USERS[0])])
        what = chance.choice((
            "pin chat", "pin chat", "unpin chat", "unread", "tag chat", "delete chat", "block user", "unblock user",
        ))  # fmt: skip
        other = chance.choice(USERS[1:])
        values = {"unread": None, "tag chat": [other, chance.choice(("red", "blue"))]}
        made = [Step(0.0, who, what, values.get(what, other))]
        if what == "block user":
            made.append(Step(round(chance.uniform(0.0, 60.0), 3), who, "unblock user", other))
        return made

    return _after_some(steps, chance, 0.3, change)


def with_threads(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with replies in threads between them."""
    return _after_some(steps, chance, 0.3, lambda: [Step(0.0, chance.choice(DEVICES), "reply")])


def with_second_processes(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with others between them that start an app a second time and end one of the two processes."""

    def start() -> list[Step]:
        who = chance.choice(DEVICES)
        made = [Step(0.0, who, "second")]
        if chance.random() < 0.8:
            what = chance.choice(("close", "close", "kill", "kill", "start", *SECOND_PROCESS[1:]))
            made.append(Step(round(chance.choice((0.0, 0.01, 3.0, 30.0)) * chance.random(), 5), who, what))
        return made

    return _after_some(steps, chance, 0.35, start)


def with_contents(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps, with others between them that send, edit or delete messages with tags, mentions and files."""

    def send_or_change() -> list[Step]:
        who = chance.choice(DEVICES)
        receiver = chance.choice([GROUP, GROUP, *(uid for uid in USERS if not who.startswith(uid))])
        tags, uids = chance.sample(TAGS, chance.randint(0, 2)), chance.sample(MENTIONED, chance.randint(0, 2))
        what = chance.choice(("say tagged", "say tagged", "send file", "edit tagged", "delete"))
        value = {
            "say tagged": [receiver, tags, uids, chance.random() < 0.3],
            "send file": [receiver, chance.choice((1, 300, 70_000)), tags],
            "edit tagged": [tags, uids],
        }.get(what)
        return [Step(round(chance.choice((0.0, 0.3)) * chance.random(), 5), who, what, value)]

    return _after_some(steps, chance, 0.35, send_or_change)


def with_logouts(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the steps; before them, all devices register for push notifications.

    Between them, single devices are logged out, by the backend or by themselves, and some log in again.
    """

    def log_out() -> list[Step]:
        who = chance.choice((*DEVICES[:2], *DEVICES))
        made = [Step(0.0, "backend", "log out", who) if chance.random() < 0.7 else Step(0.0, who, "log out")]
        sender = chance.choice(DEVICES)
        receiver = chance.choice([uid for uid in USERS if not sender.startswith(uid)])
        made.append(Step(round(chance.uniform(0.0, 20.0), 3), sender, "say", receiver))
        if chance.random() < 0.6:
            made += [Step(round(chance.uniform(0.0, 9.0), 3), who, "log in"), Step(1.0, who, "register push")]
        return made

    return [Step(0.0, name, "register push") for name in DEVICES] + _after_some(steps, chance, 0.25, log_out)


def with_a_flood(steps: list[Step], chance: random.Random) -> list[Step]:
    """Return the first ten steps, and then others in which a device misses more messages than catch-up hands over."""
    who = chance.choice(DEVICES)
    flood = [Step(1.0, who, "offline"), Step(1.0, "backend", "flood", FLOOD_MESSAGES), Step(120.0, who, "back")]
    return [*steps[:10], *flood]
