"""Whether a socket should exist now, and why. Nothing else decides it (C1 to C23)."""

from __future__ import annotations

from enum import StrEnum

from tailwire.sdk.connection.state import AppState, Mode, SessionState, State


class Why(StrEnum):
    """`YES` if a socket is wanted, else the reason why not."""

    YES = "yes"
    CLIENT_CLOSED = "client_closed"
    NO_SESSION = "no_session"
    SESSION_EXPIRED = "session_expired"
    BARRED = "barred"
    GAVE_UP = "gave_up"
    IN_BACKGROUND = "in_background"
    HELD = "held"
    NOT_REQUESTED = "not_requested"


def why(state: State) -> Why:
    """Return the first reason against a socket, or `Why.YES`."""
    if state.ended:
        return Why.CLIENT_CLOSED
    if state.session is SessionState.NONE:
        return Why.NO_SESSION
    if state.session is SessionState.EXPIRED:
        return Why.SESSION_EXPIRED
    if state.mode is Mode.AUTO:
        if state.app is AppState.BACKGROUND:
            return Why.IN_BACKGROUND
        if state.held:
            return Why.HELD
    elif not state.requested:
        return Why.NOT_REQUESTED
    if state.barred:
        return Why.BARRED
    if state.gave_up:
        return Why.GAVE_UP
    return Why.YES


def is_wanted(state: State) -> bool:
    """Return whether a socket should exist in this state."""
    return why(state) is Why.YES
