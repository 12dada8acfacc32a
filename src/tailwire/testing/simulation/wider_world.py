"""Steps of a wider world: the app's backend with a REST key, proxies that repeat requests, lists, threads, second
processes, messages with tags, mentions and files, devices that are logged out by others.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tailwire.testing.simulation.steps import DEVICES, USERS, Step

FLOOD_MESSAGES = 1_200
GROUP = "team"
TAGS = ["red", "blue", "späť"]
MENTIONED = [*USERS, "nobody"]
"""One of them does not exist: the text stays as it is, and mentions nobody."""
SECOND_PROCESS = ("second", "second close", "second kill")


def _after_some(steps: list[Step], chance: random.Random, share: float, more: Callable[[], list[Step]]) -> list[Step]:
    # Return the steps, with more of them after a share.
    made = []
    for step in steps:
        made.append(step)
        if chance.random() < share:
            made += more()
    return made


def with_backend(steps: list[Step], chance: random.Random) -> list[Step]:
    """Add acts of the app's backend between the given steps."""

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
    """Put devices behind proxies that repeat their requests, and let users react and change their mind."""
    proxies = [Step(0.0, name, "proxy", ["repeat"]) for name in DEVICES if chance.random() < 0.7]

    def react() -> list[Step]:
        what = chance.choice(("react", "unreact", "react", "unreact", "save", "unsave", "repeat", "repeat"))
        return [Step(round(chance.uniform(0.0, 0.3), 3), chance.choice(DEVICES), what)]

    return proxies + _after_some(steps, chance, 0.5, react)


def with_lists(steps: list[Step], chance: random.Random) -> list[Step]:
    """Let users change their list of conversations: alice has a second device that is notified of it."""

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
    """Let users reply in threads."""
    return _after_some(steps, chance, 0.3, lambda: [Step(0.0, chance.choice(DEVICES), "reply")])


def with_second_processes(steps: list[Step], chance: random.Random) -> list[Step]:
    """Start apps a second time, and end one process or the other."""

    def start() -> list[Step]:
        who = chance.choice(DEVICES)
        made = [Step(0.0, who, "second")]
        if chance.random() < 0.8:
            what = chance.choice(("close", "close", "kill", "kill", "start", *SECOND_PROCESS[1:]))
            made.append(Step(round(chance.choice((0.0, 0.01, 3.0, 30.0)) * chance.random(), 5), who, what))
        return made

    return _after_some(steps, chance, 0.35, start)


def with_contents(steps: list[Step], chance: random.Random) -> list[Step]:
    """Let users send messages with tags, mentions and files, and change them."""

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
    """Let devices receive push notifications, and let the backend log single ones out; some log in again."""

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
    """Let a device miss more messages than are handed over at once."""
    who = chance.choice(DEVICES)
    flood = [Step(1.0, who, "offline"), Step(1.0, "backend", "flood", FLOOD_MESSAGES), Step(120.0, who, "back")]
    return [*steps[:10], *flood]
