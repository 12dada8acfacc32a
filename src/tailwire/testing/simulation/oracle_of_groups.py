"""Check that devices were notified of a group's deletions and of its last owner."""

from __future__ import annotations

from tailwire.server.ports.change_log import ChangeKind
from tailwire.testing.simulation.commits import Change, Commits, Transfer
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.records import ReceivedChange


def wrong_change(commits: Commits, device: Device, group: str) -> str:
    """Return a description of a missing or repeated notification of a group's deletion or owner; "" if there is none.

    It begins with the name of the broken rule and a colon.

    Args:
        commits: the record of the changes.
        device: the device.
        group: the guid of the group.
    """
    return _removals(commits, device, group) or _transfers(commits, device, group)


def _removals(commits: Commits, device: Device, group: str) -> str:
    # Each member is notified once of each deletion of the group; the device that deleted it need not be.
    key = ("conversation", "groupRemoved", group)
    theirs = [change for change in commits.removals if change.detail == group and device.uid in change.members]
    received = [one for one in device.changes if one.key == key]
    for life in {one.life for one in received}:
        if sum(one.life == life for one in received) > len(theirs):
            return f"once: {device.name} received {key} more often than the {len(theirs)} times that it happened"
    owed = [change for change in theirs if _is_owed(change, device)]
    for number, change in enumerate(reversed(owed), 1):
        if sum(one.at >= change.at for one in received) < number:
            return f"untold group removed: {device.name} was not notified that {group} was deleted at {change.at}"
    return ""


def _is_owed(change: Change, device: Device) -> bool:
    if not device.expected or device.expected[-1].until is not None or change.device in device.resources:
        return False
    since = device.expected[-1].changes
    return since is not None and change.number > since


def _transfers(commits: Commits, device: Device, group: str) -> str:
    # A user who was a member at the last transfer and still is must be notified of the new owner.
    theirs = [
        one
        for one in commits.transfers
        if one.guid == group and device.uid in one.members and _is_member_since(commits, device, one)
    ]
    if not theirs or not device.expected or device.expected[-1].changes is None:
        return ""
    last, expected = theirs[-1], device.expected[-1]
    if expected.until is not None or last.at < expected.since or _caused(commits, device, last):
        return ""
    received = [one for one in device.changes if one.key == ("conversation", "group", group)]
    return _ownership(device, last, received)


def _ownership(device: Device, last: Transfer, received: list[ReceivedChange]) -> str:
    owners = [one.value for one in received if one.at >= last.at]
    if not owners:
        return f"untold owner: {device.name} was not notified that {last.owner} owns {last.guid} since {last.at}"
    if owners[-1] != last.owner:
        return (
            f"untold owner: {device.name} was notified at last that {owners[-1]} owns {last.guid}, it is {last.owner}"
        )
    return ""


def _is_member_since(commits: Commits, device: Device, transfer: Transfer) -> bool:
    joined = commits.joined_at(transfer.guid, device.uid)
    return joined is not None and joined <= transfer.at


def _caused(commits: Commits, device: Device, transfer: Transfer) -> bool:
    # Return whether the device itself made the transfer, so that it is not notified. The change log has an entry of the
    # same time.
    logged = (one for one in commits.changes if one.kind == ChangeKind.GROUP and one.at == transfer.at)
    return any(change.device in device.resources for change in logged)
