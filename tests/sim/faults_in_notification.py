"""Faults that are planted in what clients receive besides new messages."""

from __future__ import annotations

from collections.abc import Callable

from planting import Planter
from tailwire.sdk.continuity import catch_up
from tailwire.sdk.continuity.changes import Change
from tailwire.sdk.dispatch import incoming
from tailwire.server.actions.catch_up import CatchUp
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.ports.change_log import ChangeKind
from tailwire.wire.entities import Action


def _missed_removals_of_groups_are_not_reported(patch: Planter) -> None:
    async def removed(self, caller, row):
        return None

    patch.setattr(ChangeFrames, "_group_removed", removed)


def _missed_owners_are_not_reported(patch: Planter) -> None:
    async def group(self, caller, row):
        return None

    patch.setattr(ChangeFrames, "_group", group)


def _messages_before_leaving_are_not_handed_over(patch: Planter) -> None:
    # They receive only the message with which the membership ended.
    honest = CatchUp._rows

    async def rows(self, caller, criteria):
        found, former = await honest(self, caller, criteria)
        return [row for row in found if row.id not in former or row.id == former[row.id].until_id], former

    patch.setattr(CatchUp, "_rows", rows)


def _missed_scopes_are_not_reported(patch: Planter) -> None:
    honest = incoming.Incoming._hand_over

    def hand_over(self, command):
        kept = tuple(m for m in command.messages if not (isinstance(m, Action) and m.action == "scopeChanged"))
        honest(self, command._replace(messages=kept))

    patch.setattr(incoming.Incoming, "_hand_over", hand_over)


def _some_changes_are_reported_twice(patch: Planter) -> None:
    # A page of history has them again, under new numbers.
    honest = ChangeFrames.frames_for

    async def frames_for(self, caller, rows):
        again = [row._replace(number=row.number + 1_000_000) for row in rows if row.kind == ChangeKind.REACTION_ADDED]
        return await honest(self, caller, [*rows, *again])

    patch.setattr(ChangeFrames, "frames_for", frames_for)


def _missed_changes_come_before_missed_messages(patch: Planter) -> None:
    def in_order(messages, changes):
        return (*(Change(number, event) for number, _, event in changes), *(message for _, message in messages))

    patch.setattr(catch_up, "in_order", in_order)


FAULTS_IN_NOTIFICATION: list[Callable[[Planter], None]] = [
    _missed_removals_of_groups_are_not_reported,
    _missed_owners_are_not_reported,
    _messages_before_leaving_are_not_handed_over,
    _missed_scopes_are_not_reported,
    _some_changes_are_reported_twice,
    _missed_changes_come_before_missed_messages,
]
"""Found by early seeds, which `fault_seeds.json` names."""
