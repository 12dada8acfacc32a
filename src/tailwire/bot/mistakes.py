"""Error texts and tracebacks for the author of a bot that cannot run, or whose handler failed."""

from __future__ import annotations

from types import TracebackType

from tailwire.sdk.exceptions import CometChatException
from tailwire.wire.catalogue import CATALOGUE

_ADVICE = {
    "AUTH_ERR_APIKEY_NOT_FOUND": "Check auth_key=: it is the auth key of the app, which `tailwire serve` prints.",
    "AUTH_ERR_INVALID_APPID": "Check the app id, which `tailwire serve` prints, and the host in the settings.",
    "ERR_UID_NOT_FOUND": "Create this user on the server, such as with: tailwire user create {uid} NAME",
    "AUTH_ERR_AUTH_TOKEN_NOT_FOUND": "Check auth_token_provider=: the server does not know the token that it returned.",
}


class WrongToken(ValueError):
    """The token from `auth_token_provider` belongs to another user, or is not a token."""


def cannot_run_text(uid: str, error: CometChatException | WrongToken) -> str:
    """Return a line that says why a bot cannot run and, if known, a second line that says what to do about it."""
    if isinstance(error, WrongToken):
        return f"The bot {uid} cannot run: {error}.\nCheck auth_token_provider=: it must return a token of {uid}."
    advice = _ADVICE.get(error.code, "").replace("{uid}", uid)
    if not advice and isinstance(error.details, str):
        advice = error.details
    if not advice and error.code in CATALOGUE:
        advice = CATALOGUE[error.code].details
    return f"The bot {uid} cannot run: {error.message} ({error.code})\n{advice}".rstrip()


def exc_info_from_author(
    error: BaseException, *, complete: bool
) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return the `exc_info` of an error for the log. Its traceback begins at the first line of the author's code.

    Args:
        complete: whether the traceback of a `CometChatException` also contains the calls inside of this library after
            the author's last line. That of another error always contains them.
    """
    frames: list[TracebackType] = []
    next_frame = error.__traceback__
    while next_frame is not None:
        frames.append(next_frame)
        next_frame = next_frame.tb_next
    own = [number for number, frame in enumerate(frames) if not _is_ours(frame)]
    if not own:
        return type(error), error, error.__traceback__
    cut = isinstance(error, CometChatException) and not complete
    kept: TracebackType | None = None
    for frame in reversed(frames[own[0] : own[-1] + 1 if cut else len(frames)]):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return type(error), error, kept


def _is_ours(frame: TracebackType) -> bool:
    # Frames of asyncio count as ours: the event loop calls our functions, and the author's.
    return str(frame.tb_frame.f_globals.get("__name__")).startswith(("tailwire.", "asyncio."))
