"""The pure function that converts a framework's lifecycle state to the app state, foreground or background.

The five lifecycle states are those of Flutter, on which CometChat's Flutter SDK is built. Focus is not visibility:
an app that lost the focus to a dialog, a call or another window is still visible, so `inactive` changes nothing.
"""

from __future__ import annotations

from typing import Literal

Lifecycle = Literal["resumed", "inactive", "hidden", "paused", "detached"]
Hidden = Literal["background", "foreground"]
State = Literal["foreground", "background"]
LIFECYCLES: tuple[Lifecycle, ...] = ("resumed", "inactive", "hidden", "paused", "detached")


def app_state(lifecycle: Lifecycle, before: State, *, hidden: Hidden = "background") -> State:
    """Return the app state after a framework has reported a lifecycle state.

    Args:
        lifecycle: the reported state.
        before: the current app state.
        hidden: the app state for the lifecycle state `hidden`, without a visible window. With `"foreground"`, for an
            app that stays in the tray and shows notifications, `hidden` leaves the app state as it is.

    Returns:
        `"foreground"` for `resumed`; `before` for `inactive`; `"background"` for `paused`, `detached` and, unless the
        argument `hidden` is `"foreground"`, for `hidden`.

    Raises:
        ValueError: `lifecycle` is not a lifecycle state, or `hidden` is neither `"background"` nor `"foreground"`.
    """
    if lifecycle not in LIFECYCLES:
        raise ValueError(f"{lifecycle!r} is not a lifecycle state: give one of {', '.join(LIFECYCLES)}")
    if hidden not in ("background", "foreground"):
        raise ValueError(f'hidden={hidden!r}: give "background" or "foreground"')
    if lifecycle == "resumed":
        return "foreground"
    if lifecycle == "inactive" or (lifecycle == "hidden" and hidden == "foreground"):
        return before
    return "background"
