"""CometChat's helper for messages that an app keeps itself."""

from __future__ import annotations

from tailwire.wire.constants import ReactionAction
from tailwire.wire.entities import BaseMessage, Reaction


class CometChatHelper:
    """Helpers for apps that keep messages themselves (CometChat's class `CometChatHelper`)."""

    @staticmethod
    def update_message_with_reaction_info(
        message: BaseMessage, reaction: Reaction, action: str | ReactionAction, *, by_me: bool = False
    ) -> BaseMessage:
        """Update the reaction counts of a message that the app keeps, after a reaction was added or removed.

        Args:
            message: the message that the app keeps; it is changed.
            reaction: the reaction of a `ReactionEvent`.
            action: `REACTION_ADDED` or `REACTION_REMOVED`.
            by_me: whether it is a reaction of the logged-in user.

        Returns:
            The same message, changed in place. A reaction to another message and an unknown action change nothing.
        """
        if reaction.message_id != message.id or action not in set(ReactionAction):
            return message
        data = message.raw.setdefault("data", {})
        listed = [dict(r) for r in data.get("reactions") or []]
        known = next((r for r in listed if r.get("reaction") == reaction.reaction), None)
        if known is None:
            known = {"reaction": reaction.reaction, "count": 0}
            listed.append(known)
        known["count"] = int(known["count"]) + (1 if action == ReactionAction.REACTION_ADDED else -1)
        if by_me:
            known["reactedByMe"] = action == ReactionAction.REACTION_ADDED
        data["reactions"] = [r for r in listed if r["count"] > 0]
        return message
