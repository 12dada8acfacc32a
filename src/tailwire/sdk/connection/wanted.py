"""Whether a socket should exist now, and why. Nothing else decides it (C1 to C23)."""

from __future__ import annotations

from enum import StrEnum

from tailwire.sdk.connection.state import AppState, Mode, SessionState, State


class Decision(StrEnum):
    """Whether a socket is wanted, or the first reason why not."""

    WANTED = "wanted"
    CLIENT_CLOSED = "client_closed"
    NO_SESSION = "no_session"
    SESSION_EXPIRED = "session_expired"
    BARRED = "barred"
    GAVE_UP = "gave_up"
    IN_BACKGROUND = "in_background"
    HELD = "held"
    NOT_REQUESTED = "not_requested"


def decide(state: State) -> Decision:
    """Return whether a socket is wanted, or the first reason why not."""
    if state.ended:
        return Decision.CLIENT_CLOSED
    if state.session is SessionState.NONE:
        return Decision.NO_SESSION
    if state.session is SessionState.EXPIRED:
        return Decision.SESSION_EXPIRED
    if state.mode is Mode.AUTO:
        if state.app is AppState.BACKGROUND:
            return Decision.IN_BACKGROUND
        if state.held:
            return Decision.HELD
    elif not state.requested:
        return Decision.NOT_REQUESTED
    if state.barred:
        return Decision.BARRED
    if state.gave_up:
        return Decision.GAVE_UP
    return Decision.WANTED


def is_wanted(state: State) -> bool:
    """Return whether a socket should exist in this state."""
    return decide(state) is Decision.WANTED
