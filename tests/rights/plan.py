"""The steps of a run, generated from a seed. Any step can be removed, so that failures can be shrunk."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Names that look like a conversation's id, or like a part of one.
UIDS = ("alice", "alice_user_test", "test_user_smith", "smith", "group_admin", "tom")
GUIDS = ("team", "admin_user_tom", "vault", "alice")
KINDS = ("public", "private", "password")
SCOPES = ("participant", "moderator", "admin")
REACTIONS = ("x", "y")

Step = tuple[Any, ...]
"""The operation, the caller, and its arguments. A user may be described: `*owner`, `*leader`, `*other` (than the owner),
`*member`, `*banned` or `*outsider` of the named group, `*reader` or `*sender` of the message. A message is a number that
counts back from the newest of all, or, as `text 3`, from the newest that can be changed. `together` has a number for its
timing, and steps that start concurrently."""
SLOW = -1
"""A timing: the steps start one shortly after the other, and the first one that waits takes longer than all others."""


@dataclass(frozen=True)
class Plan:
    """Steps, and the seed of the random choices in running them, which also decides whether webhooks are compared."""

    seed: int
    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """Return the plan as text, one step per line."""
        return "[\n" + ",\n".join(json.dumps(step) for step in self.steps) + "\n]"

    @property
    def cast(self) -> tuple[str, ...]:
        """The users in the plan, and one uninvolved user."""
        named = self.to_json()
        there = [uid for uid in UIDS if json.dumps(uid) in named]
        return (*there, *[uid for uid in UIDS if uid not in there][:1])

    @staticmethod
    def from_json(text: str, seed: int = 0) -> Plan:
        """Return the plan in a text."""
        return Plan(seed, tuple(_tuples(json.loads(text))))


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def make_plan(seed: int, length: int = 60) -> Plan:
    """Return the plan of a seed: groups and sockets, and then `length` random steps."""
    r = random.Random(seed)
    begin = [("create", r.choice(UIDS), guid, r.choice(KINDS), _some(r)) for guid in r.sample(GUIDS, 3)]
    begin += [("connect", uid, r.choice(("desk", "phone"))) for uid in UIDS]
    whats = list(STEPS)
    weights = [STEPS[what][0] for what in whats]
    rest = [STEPS[what][1](r) for what in r.choices(whats, weights, k=length)]
    return Plan(seed, (*begin, *rest))


def _some(r: random.Random) -> tuple[str, ...]:
    return tuple(r.sample(UIDS, r.randrange(3)))


def _back(r: random.Random) -> int | str:
    back = int(r.expovariate(0.15))
    return f"text {back}" if r.random() < 0.8 else back


def _place(r: random.Random) -> tuple[str, str]:
    return ("user", r.choice(UIDS)) if r.random() < 0.4 else ("group", r.choice(GUIDS))


def _mostly(*who: str) -> Callable[[random.Random], str]:
    # Mostly a user for whom the step makes sense, sometimes any user.
    return lambda r: r.choice(who) if r.random() < 0.75 else r.choice((*UIDS, "*member", "*other"))


def _to_message(what: str, *more: str, who: str = "*reader") -> Callable[[random.Random], Step]:
    def make(r: random.Random) -> Step:
        by = r.choice(UIDS) if r.random() < 0.25 else r.choice((who, who, "*reader"))
        return what, by, _back(r), *([r.choice(more)] if more else [])

    return make


def _in_group(
    what: str, who: Callable[[random.Random], str], *rest: Callable[[random.Random], Any]
) -> Callable[[random.Random], Step]:
    return lambda r: (what, who(r), r.choice(GUIDS), *(make(r) for make in rest))


_leader, _owner, _other = _mostly("*leader", "*leader", "*owner"), _mostly("*owner"), _mostly("*other")
_outsider = _mostly("*outsider")


def _said(what: str) -> Callable[[random.Random], Step]:
    def make(r: random.Random) -> Step:
        kind, other = _place(r)
        who = "*member" if kind == "group" and r.random() < 0.7 else r.choice(UIDS)
        return what, who, kind, other

    return make


def _together(r: random.Random) -> Step:
    guid, uid = r.choice(GUIDS), r.choice(UIDS)
    other = r.choice((uid, "*other", "*other"))
    pairs: list[tuple[Step, ...]] = [
        (("join", uid, guid, "right"), ("ban", "*owner", guid, uid)),
        (("join", uid, guid, "right"), ("update", "*owner", guid, r.choice(KINDS))),
        (("join", uid, guid, "right"), ("remove", "*owner", guid)),
        (("add", "*owner", guid, uid, r.choice(SCOPES)), ("ban", "*owner", guid, uid)),
        (("update", other, guid, "password"), ("ban", "*owner", guid, other)),
        (("update", "*owner", guid, "password"), ("transfer", "*owner", guid, other)),
        (("transfer", "*owner", guid, other), ("leave", other, guid)),
        (("kick", other, guid, r.choice(UIDS)), ("scope", "*owner", guid, other, "participant")),
        (("ban", "*owner", guid, uid), ("ban", "*owner", guid, uid)),
        (("send", other, "group", guid), ("kick", "*owner", guid, other)),
        (("send", uid, "user", r.choice(UIDS)), ("block", r.choice(UIDS), uid)),
        (("delete", "*sender", "text 0"), (r.choice(("react", "save", "pin")), "*reader", "text 0", "x")),
        (("edit", "*sender", "text 0"), ("delete", "*sender", "text 0")),
        (("create", uid, guid, "public", ()), ("create", r.choice(UIDS), guid, "private", ())),
        (("join", uid, guid, "right"), ("leave", uid, guid), ("kick", "*owner", guid, uid)),
        tuple(_in_group(r.choice(("kick", "ban", "unban", "transfer")), _leader, _other)(r) for _ in range(3)),
    ]
    steps = tuple(s[:3] if s[0] in ("save", "pin") else s for s in r.choice(pairs))
    if steps[1][0] in ("ban", "update", "transfer", "remove"):
        steps += (("look", "*owner", guid),)
    return "together", r.choice((SLOW, r.randrange(1_000_000))), *steps


# Each kind of step: its weight, and its generator.
STEPS: dict[str, tuple[float, Callable[[random.Random], Step]]] = {
    "send": (30, _said("send")),
    "send again": (3, _to_message("send again")),
    "reply": (6, _to_message("reply")),
    "edit": (5, _to_message("edit", who="*sender")),
    "delete": (4, _to_message("delete", who="*sender")),
    "react": (6, _to_message("react", *REACTIONS)),
    "unreact": (2, _to_message("unreact", *REACTIONS)),
    "pin": (4, _to_message("pin")),
    "unpin": (1, _to_message("unpin")),
    "save": (4, _to_message("save")),
    "unsave": (1, _to_message("unsave")),
    "follow": (5, _to_message("follow")),
    "unfollow": (1, _to_message("unfollow")),
    "mark read": (3, _said("mark read")),
    "clear": (2, _said("clear")),
    "typing": (4, _said("typing")),
    "transient": (4, _said("transient")),
    "block": (4, lambda r: ("block", *r.sample(UIDS, 2))),
    "unblock": (2, lambda r: ("unblock", *r.sample(UIDS, 2))),
    "create": (4, lambda r: ("create", r.choice(UIDS), r.choice(GUIDS), r.choice(KINDS), _some(r))),
    "update": (3, _in_group("update", _leader, lambda r: r.choice(KINDS))),
    "remove": (2, _in_group("remove", _owner)),
    "transfer": (3, _in_group("transfer", _owner, _other)),
    "join": (10, _in_group("join", _outsider, lambda r: r.choice(("right", "right", "right", "wrong", "")))),
    "leave": (4, _in_group("leave", _other)),
    "add": (7, _in_group("add", _leader, _outsider, lambda r: r.choice(SCOPES))),
    "kick": (4, _in_group("kick", _leader, _other)),
    "ban": (5, _in_group("ban", _leader, _mostly("*other", "*outsider"))),
    "unban": (3, _in_group("unban", _leader, _mostly("*banned"))),
    "scope": (6, _in_group("scope", _leader, _other, lambda r: r.choice(SCOPES))),
    "connect": (2, lambda r: ("connect", r.choice(UIDS), r.choice(("desk", "phone")))),
    "disconnect": (2, lambda r: ("disconnect", r.choice(UIDS))),
    "log out": (1, lambda r: ("log out", r.choice(UIDS))),
    "befriend": (3, lambda r: ("befriend", *r.sample(UIDS, 2))),
    "unfriend": (1, lambda r: ("unfriend", *r.sample(UIDS, 2))),
    "role": (3, lambda r: ("role", r.choice(UIDS), r.choice(("default", "default", "shy", "mute")))),
    "delete user": (0.5, lambda r: ("delete user", r.choice(UIDS), r.random() < 0.5)),
    "together": (8, _together),
}
