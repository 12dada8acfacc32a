"""The rule that turns what a framework says of an app into the app state. Pure: every adapter uses it.

The words are the five of the documented Flutter SDK's platform. Focus is not visibility: an app that lost the focus to
a dialog, a call or another window is still on the screen, so `inactive` changes nothing.
"""

from __future__ import annotations

from typing import Literal

Word = Literal["resumed", "inactive", "hidden", "paused", "detached"]
Hidden = Literal["background", "foreground"]
State = Literal["foreground", "background"]
WORDS: tuple[Word, ...] = ("resumed", "inactive", "hidden", "paused", "detached")


def app_state(word: Word, before: State, *, hidden: Hidden = "background") -> State:
    """Return the app state after a framework has said a word.

    Args:
        word: what the framework said.
        before: the app state until now.
        hidden: what an app without a visible window is: `"foreground"` suits an app that lives in the tray and shows
            notifications of its own; it keeps the state that it had.

    Raises:
        ValueError: the word is none of the five, or `hidden` none of the two.
    """
    if word not in WORDS:
        raise ValueError(f"{word!r} is not a word of an app's life: give one of {', '.join(WORDS)}")
    if hidden not in ("background", "foreground"):
        raise ValueError(f'hidden={hidden!r}: give "background" or "foreground"')
    if word == "resumed":
        return "foreground"
    if word == "inactive" or (word == "hidden" and hidden == "foreground"):
        return before
    return "background"
