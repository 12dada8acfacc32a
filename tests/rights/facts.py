"""Groups and messages as a user sees them: according to the model, and in a response."""

from __future__ import annotations

from typing import Any

from rights.state import Group, Message, State

Facts = tuple[Any, ...]


def message_facts(s: State, uid: str, m: Message) -> Facts:
    """Return a message as a user sees it: its text, its reactions, and whether it is deleted, pinned or saved."""
    counted: dict[str, int] = {}
    for reaction, _ in m.reactions:
        counted[reaction] = counted.get(reaction, 0) + 1
    mine = {reaction for reaction, who in m.reactions if who == uid}
    reactions = tuple(sorted((r, n, r in mine) for r, n in counted.items()))
    return m.text if m.kind == "text" else "", m.deleted, m.pinned, (uid, m.id) in s.saved, reactions


def read_message(row: Any) -> Facts:
    """Return a message of a response in the form of `message_facts`."""
    data = row["data"]
    reactions = tuple(
        sorted((r["reaction"], r["count"], bool(r.get("reactedByMe"))) for r in data.get("reactions", ()))
    )
    return (
        data.get("text", ""),
        bool(row.get("deletedAt")),
        bool(row.get("pinnedAt")),
        bool(row.get("savedAt")),
        reactions,
    )


def group_facts(group: Group, uid: str) -> Facts:
    """Return a group as a user sees it: its type, owner and size, and the user's membership."""
    scope = group.members[uid].scope if uid in group.members else ""
    return group.kind, group.owner, len(group.members), uid in group.members, scope


def read_group(row: Any) -> Facts:
    """Return a group of a response in the form of `group_facts`."""
    return row["type"], row["owner"], row["membersCount"], row["hasJoined"], row.get("scope", "")
