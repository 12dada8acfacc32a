"""Resolves a step of a plan to users, groups and messages when the step is run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rights.operations import Operation
from rights.plan import Step
from rights.state import Group, Message, State

TO_MESSAGES = (
    "edit", "delete", "react", "unreact", "pin", "unpin", "save", "unsave", "follow", "unfollow",
)  # fmt: skip


class Meanings:
    """Resolves steps.

    Args:
        state: returns the current state.
    """

    def __init__(self, state: Callable[[], State]) -> None:
        self._state = state
        self._marks = 0

    def next_mark(self) -> int:
        """Return a new number, which makes texts, names and passwords distinct."""
        self._marks += 1
        return self._marks

    def operation(self, step: Step) -> Operation | None:
        """Return the action of a step; None if what it names does not exist, or if it makes no sense."""
        what, who, *rest = step
        s = self._state()
        who = self._meant(who, rest)
        meant = [self._meant(one, rest, who) for one in rest]
        nobody = any(now == "" != before for now, before in zip(meant, rest, strict=True))
        rest = meant
        if nobody or not s.exists(who) or (rest and who == rest[-1] and what in ("transfer", "block", "unblock")):
            return None
        self.next_mark()
        if what in TO_MESSAGES:
            number = self._message(rest[0])
            more = [f"word edited v{self._marks}"] if what == "edit" else rest[1:]
            return Operation(what, who, (number, *more)) if number else None
        if what in ("send", "mark read", "clear") and rest[1] in (who, ""):
            return None
        if what == "send":
            return Operation(what, who, (*rest, f"word v{self._marks}", f"m{self._marks}"))
        if what == "reply":
            return self._reply(who, self._message(rest[0]))
        if what == "send again":
            return self._again(self._message(rest[0]))
        return self._on_group(what, who, rest)

    def _meant(self, name: Any, rest: list[Any], by: str = "") -> Any:
        # A user who fits a description; not `by`, if that is given.
        if not isinstance(name, str) or not name.startswith("*"):
            return name
        s = self._state()
        if name in ("*reader", "*sender"):
            m = s.messages.get(self._message(rest[0]))
            some = [uid for uid in s.everybody() if m is not None and s.reads(uid, m.id)]
            some = [m.sender] if m is not None and name == "*sender" else some
        else:
            group = next((s.groups[r] for r in rest if r in s.groups), None)
            some = self._of_group(group, name) if group is not None else []
        some = [uid for uid in some if uid != by]
        return some[s.last % len(some)] if some else ""

    def _of_group(self, group: Group, name: str) -> list[str]:
        if name == "*owner":
            return [group.owner]
        if name == "*banned":
            return sorted(group.banned)
        if name == "*outsider":
            return [uid for uid in self._state().everybody() if uid not in {*group.members, *group.banned}]
        of_rank = {
            "*member": ("participant", "moderator", "admin", "owner"),
            "*leader": ("moderator", "admin", "owner"),
            "*other": ("participant", "moderator", "admin"),
        }[name]
        return [uid for uid in sorted(group.members) if group.rank(uid) in of_rank]

    def _on_group(self, what: str, who: str, rest: list[Any]) -> Operation:
        password = f"password {self._marks}"
        if what == "create":
            guid, kind, members = rest
            return Operation(what, who, (guid, kind, password if kind == "password" else "", members))
        if what == "update":
            guid, kind = rest
            return Operation(what, who, (guid, f"name {self._marks}", kind, password if kind == "password" else ""))
        if what == "join":
            guid, reason = rest
            right = self._state().groups[guid].password if guid in self._state().groups else "some password"
            return Operation(what, who, (guid, {"right": right, "wrong": "wrong", "": ""}.get(reason, "")))
        return Operation(what, who, tuple(rest))

    def _message(self, back: int | str) -> int:
        numbers = sorted({*self._state().messages, *self._state().gone})
        if isinstance(back, str):
            back = int(back.removeprefix("text "))
            numbers = [n for n, m in sorted(self._state().messages.items()) if m.kind == "text" and not m.deleted]
        return numbers[-(back % len(numbers)) - 1] if numbers else 0

    def _where(self, m: Message, who: str) -> tuple[str, str]:
        # The name that a user gives to the conversation of a message, even without being in it.
        if m.place[0] == "user":
            return "user", next(u for u in m.place[1:] if u != who)
        group = self._state().group_of(m.place)
        return "group", group.guid if group is not None else ""

    def _reply(self, who: str, number: int) -> Operation | None:
        m = self._state().messages.get(number)
        if m is None:
            return None
        where = self._where(m, who)
        return Operation("reply", who, (*where, f"word v{self._marks}", "", number)) if who != where[1] else None

    def _again(self, number: int) -> Operation | None:
        m = self._state().messages.get(number)
        if m is None or not m.muid or not self._state().exists(m.sender):
            return None
        return Operation("send", m.sender, (*self._where(m, m.sender), "word again", m.muid))
