"""Which edits, deletions and replies a live list of messages has applied, so that each is applied once."""

from __future__ import annotations


class AppliedChanges:
    """The changes of messages that were applied.

    Attributes:
        acts: by message: the id of the action message of the last applied edit or deletion.
        replies: by reply: the id of the parent message to whose `reply_count` it was added.
    """

    def __init__(self) -> None:
        self.acts: dict[int, int] = {}
        self.replies: dict[int, int] = {}

    def copy(self) -> AppliedChanges:
        """Return a copy, which later changes leave as it is."""
        copied = AppliedChanges()
        copied.acts, copied.replies = dict(self.acts), dict(self.replies)
        return copied

    def revert(self, before: AppliedChanges, first: int) -> None:
        """Forget what was applied to the messages from an id on since an earlier time, because they were replaced.

        Args:
            before: a copy from that time.
            first: the id of the first replaced message.
        """
        self.acts = {n: before.acts.get(n, 0) if n >= first else act for n, act in self.acts.items()}
        self.replies = {n: to for n, to in self.replies.items() if to < first or n in before.replies}
