"""Encode and decode what requests for history and their responses say about the server's change log."""

from __future__ import annotations

from typing import Any

from tailwire.sdk.continuity.changes import Listed
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.frame_decoder import event_of_change
from tailwire.sdk.dispatch.history import NO_MARK
from tailwire.sdk.io.answers import changes_of
from tailwire.wire.codec import MAX_ID


def history_parameters(position: Position | None, at_most: int) -> dict[str, Any]:
    """Return the query parameters of a request for history that ask for changes: `changes`, `heard` and `atMost`.

    Args:
        position: how far the app has been served.
        at_most: if more messages than this were missed, the server may leave out the oldest ones; 0 if it must not.
    """
    if position is None or position.changes is None:
        parameters: dict[str, Any] = {"changes": NO_MARK}
    else:
        parameters = {"changes": position.changes}
        if position.heard:
            parameters["heard"] = ",".join(map(str, position.heard))
    return {**parameters, "atMost": at_most} if at_most else parameters


def changes_in(listed: list[Any]) -> Listed | None:
    """Return the part of a page of history that concerns changes; None if the server has no change log.

    Changes that cannot be read are left out.
    """
    section = changes_of(listed)
    known = _number_or_none(section.get("known")) if section is not None else None
    if section is None or known is None:
        return None
    found: list[tuple[int, int, Any]] = []
    frames = section.get("listed")
    for frame in frames if isinstance(frames, list) else ():
        if not isinstance(frame, dict):
            continue
        number, after, event = (
            _number_or_none(frame.get("number")),
            _number_or_none(frame.get("after")),
            event_of_change(frame),
        )
        if event is not None and number and after is not None:
            found.append((number, after, event))
    gap = section.get("gap")
    bounds = (
        (_number_or_none(gap.get("from")), _number_or_none(gap.get("to"))) if isinstance(gap, dict) else (None, None)
    )
    left_out = (bounds[0], bounds[1]) if bounds[0] is not None and bounds[1] is not None else None
    return Listed(known, found, section.get("more") is True, _number_or_none(section.get("lost")) or 0, left_out)


def _number_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID else None
