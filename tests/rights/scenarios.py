"""Short plans; each detects one kind of permission fault."""

from __future__ import annotations

from typing import Any

from rights.plan import SLOW, Plan

PLANS: dict[str, tuple[Any, ...]] = {
    # Users who were away receive what they would have received live, and nothing else.
    "away: before joining and after leaving a group": (
        ("connect", "alice", "desk"),
        ("create", "alice", "team", "public", ()),
        ("send", "alice", "group", "team"),
        ("react", "alice", 0, "+1"),
        ("add", "alice", "team", "tom", "participant"),
        ("send", "alice", "group", "team"),
        ("react", "alice", 0, "heart"),
        ("kick", "alice", "team", "tom"),
        ("send", "alice", "group", "team"),
        ("react", "alice", 0, "x"),
    ),
    # The conversation of a group and that of two users are distinct for any names.
    "a group named like a conversation of two users": (
        ("send", "group_admin", "user", "tom"),
        ("create", "alice", "admin_user_tom", "private", ()),
        ("remove", "alice", "admin_user_tom"),
    ),
    "two pairs of users whose conversations have one id": (
        ("send", "alice", "user", "test_user_smith"),
        ("send", "alice_user_test", "user", "smith"),
    ),
    # A decision before a slow password check is still valid after it, or is made again.
    "a ban while a password is checked": (
        ("create", "alice", "vault", "password", ()),
        (
            "together",
            SLOW,
            ("join", "tom", "vault", "right"),
            ("ban", "alice", "vault", "tom"),
            ("look", "alice", "vault"),
        ),
    ),
    "a group that becomes private while a password is checked": (
        ("create", "alice", "vault", "password", ()),
        (
            "together",
            SLOW,
            ("join", "tom", "vault", "right"),
            ("update", "alice", "vault", "private"),
            ("look", "alice", "vault"),
        ),
    ),
    "a moderator is banned while a new password is hashed": (
        ("create", "alice", "vault", "public", ("tom",)),
        ("scope", "alice", "vault", "tom", "moderator"),
        (
            "together",
            SLOW,
            ("update", "tom", "vault", "password"),
            ("ban", "alice", "vault", "tom"),
            ("look", "alice", "vault"),
        ),
    ),
    "a group changes hands while a new password is hashed": (
        ("create", "alice", "vault", "public", ("tom",)),
        (
            "together",
            SLOW,
            ("update", "alice", "vault", "password"),
            ("transfer", "alice", "vault", "tom"),
            ("look", "alice", "vault"),
        ),
    ),
    "a user is banned while they are added": (
        ("connect", "tom", "desk"),
        *(
            step
            for n in range(6)
            for step in (
                ("create", "alice", "team", "public", ()),
                ("together", n, ("add", "alice", "team", "tom", "participant"), ("ban", "alice", "team", "tom")),
                ("send", "alice", "group", "team"),
                ("remove", "alice", "team"),
            )
        ),
    ),
    "a group is removed while a password is checked, and created again": (
        ("connect", "tom", "desk"),
        ("create", "alice", "vault", "password", ()),
        ("together", SLOW, ("join", "tom", "vault", "right"), ("remove", "alice", "vault")),
        ("create", "smith", "vault", "private", ()),
        ("send", "smith", "group", "vault"),
    ),
    # Users who were removed from a group see nothing of it.
    "a thread of a group from which a user was banned": (
        ("create", "alice", "team", "public", ("tom",)),
        ("send", "alice", "group", "team"),
        ("follow", "tom", 0),
        ("ban", "alice", "team", "tom"),
        ("edit", "alice", 1),
    ),
    # Users with a friendsOnly role reach only friends.
    "a role that writes to friends only: a transient message": (
        ("connect", "tom", "desk"),
        ("connect", "alice", "desk"),
        ("role", "tom", "shy"),
        ("transient", "tom", "user", "alice"),
    ),
    "a role that writes to friends only: typing": (
        ("connect", "tom", "desk"),
        ("connect", "alice", "desk"),
        ("role", "tom", "shy"),
        ("typing", "tom", "user", "alice"),
    ),
    "a role that writes to friends only: a new group": (
        ("role", "tom", "shy"),
        ("create", "tom", "team", "public", ("alice",)),
    ),
    "a role that writes to friends only: a new member": (
        ("role", "tom", "shy"),
        ("create", "tom", "team", "public", ()),
        ("add", "tom", "team", "alice", "participant"),
    ),
    # Blocked users do not see the other's presence.
    "presence of a user who has blocked another": (
        ("connect", "alice", "desk"),
        ("block", "alice", "tom"),
        ("disconnect", "alice"),
        ("connect", "alice", "desk"),
    ),
    # Closed sockets and deleted users get no frames.
    "all sockets of a token": (
        ("connect", "tom", "desk"),
        ("connect", "tom", "phone"),
        ("log out", "tom"),
    ),
    "a namesake of a removed group": (
        ("connect", "tom", "desk"),
        ("create", "alice", "team", "public", ("tom",)),
        ("remove", "alice", "team"),
        ("create", "alice", "team", "public", ()),
        ("send", "alice", "group", "team"),
    ),
    # In all lists, messages from before the join are readable and not unread.
    "history before joining": (
        ("create", "alice", "team", "public", ()),
        ("send", "alice", "group", "team"),
        ("join", "tom", "team", "right"),
    ),
    # A block stops changes of messages, but not their deletion.
    "changes of messages from before a block": (
        ("connect", "tom", "desk"),
        ("connect", "alice", "desk"),
        ("send", "tom", "user", "alice"),
        ("send", "alice", "user", "tom"),
        ("react", "tom", 0, "x"),
        ("block", "alice", "tom"),
        *(
            (what, who, n, *more)
            for n in (0, 1)
            for who in ("alice", "tom")
            for what, *more in (("edit",), ("react", "y"), ("unreact", "x"), ("pin",), ("save",))
        ),
        ("delete", "tom", 1),
    ),
    "a participant's own message in a group": (
        ("create", "alice", "team", "public", ("tom",)),
        ("send", "tom", "group", "team"),
        ("pin", "tom", 0),
        ("pin", "alice", 0),
        ("unpin", "tom", 0),
        ("scope", "alice", "team", "tom", "moderator"),
        ("unpin", "tom", 1),
    ),
    # Lists show the newest message that exists and may be seen.
    "a cleared conversation": (
        ("send", "alice", "user", "smith"),
        ("send", "alice", "user", "tom"),
        ("clear", "alice", "user", "tom"),
    ),
    "a sender of the last messages is deleted with them": (
        ("create", "alice", "team", "public", ("tom",)),
        ("send", "alice", "group", "team"),
        ("send", "tom", "group", "team"),
        ("reply", "tom", 1),
        ("edit", "tom", 1),
        ("delete user", "tom", True),
        ("send", "smith", "user", "group_admin"),
        ("send", "group_admin", "user", "smith"),
        ("delete user", "smith", True),
    ),
}

# Preparation and two concurrent steps, run with several timings. The result must fit one order of the two.
_TEAM = ("create", "alice", "team", "public", ("tom", "smith"))
_SAID = ("send", "tom", "group", "team")
_MODERATOR = ("scope", "alice", "team", "tom", "moderator")
_BAN, _KICK = ("ban", "alice", "team", "tom"), ("kick", "alice", "team", "tom")
_TRANSFER, _REMOVE = ("transfer", "alice", "team", "tom"), ("remove", "alice", "team")
_DELETE = ("delete", "alice", 0)
OVERLAPS: dict[str, tuple[tuple[Any, ...], Any, Any]] = {
    "a new owner leaves": ((), _TRANSFER, ("leave", "tom", "team")),
    "a new owner is kicked": ((), _TRANSFER, _KICK),
    "a kicked member sends": ((), _SAID, _KICK),
    "a banned member sends": ((), _SAID, _BAN),
    "a banned member edits": ((_SAID,), ("edit", "tom", 0), _BAN),
    "a banned member reacts": ((_SAID,), ("react", "tom", 0, "x"), _BAN),
    "a reaction to a deleted message": ((_SAID,), ("react", "smith", 0, "x"), _DELETE),
    "a save of a deleted message": ((_SAID,), ("save", "smith", 0), _DELETE),
    "a pin of a deleted message": ((_SAID,), ("pin", "alice", 0), _DELETE),
    "an edit of a deleted message": ((_SAID,), ("edit", "tom", 0), _DELETE),
    "a demoted moderator kicks": (
        (_MODERATOR,),
        ("kick", "tom", "team", "smith"),
        ("scope", "alice", "team", "tom", "participant"),
    ),
    "a moderator is banned, and bans": ((_MODERATOR,), ("ban", "tom", "team", "smith"), _BAN),
    "a send to a group that is removed": ((), _SAID, _REMOVE),
    "an unbanned user joins": ((_BAN,), ("join", "tom", "team", "right"), ("unban", "alice", "team", "tom")),
    "a leaving member is banned": ((), ("leave", "tom", "team"), _BAN),
    "two users remove a group": ((("scope", "alice", "team", "tom", "admin"),), _REMOVE, ("remove", "tom", "team")),
    "a send to a user who blocks": ((), ("send", "tom", "user", "alice"), ("block", "alice", "tom")),
}


def overlap(name: str, times: int = 2) -> Plan:
    """Return the plan of two overlapping actions, in both orders, with `times` timings each."""
    before, one, other = OVERLAPS[name]
    rounds: list[Any] = [("connect", "tom", "desk"), ("connect", "alice", "desk")]
    for timing in range(times):
        for pair in ((one, other), (other, one)):
            rounds += [_TEAM, *before, ("together", timing, *pair), ("unblock", "alice", "tom")]
            rounds += [("remove", uid, "team") for uid in ("alice", "tom")]
    rounds.append(("create", "smith", "team", "public", ("alice", "tom")))  # nothing of the old group comes back
    return Plan(0, tuple(rounds))


def scenario(name: str) -> Plan:
    """Return the plan of a scenario."""
    return Plan(0, PLANS[name])
