"""The texts that the author of a bot reads about a refused login and about an error of a handler."""

from __future__ import annotations

import traceback

import pytest

from tailwire import CometChatException
from tailwire.bot.mistakes import WrongToken, cannot_run_text, exc_info_from_author
from tailwire.sdk.calls.checks import checked_id
from tailwire.sdk.exceptions import failure


@pytest.mark.parametrize(
    ("error", "why", "what_to_do"),
    [
        (failure("AUTH_ERR_APIKEY_NOT_FOUND"), "The API key is unknown. (AUTH_ERR_APIKEY_NOT_FOUND)", "auth_key="),
        (failure("AUTH_ERR_INVALID_APPID"), "The app id is unknown. (AUTH_ERR_INVALID_APPID)", "Check the app id"),
        (failure("ERR_UID_NOT_FOUND", {"uid": "bob"}), "The user does not exist.", "tailwire user create bob"),
        (failure("SESSION_IN_USE", "Process 7 uses it."), "uses the saved session", "Process 7 uses it."),
        (failure("ERR_FEATURE_RESTRICTED", {"feature": "x"}), "may not use this feature", "Allow the feature"),
        (WrongToken("the token is carol's, and the bot is bob"), "the token is carol's", "must return a token of bob"),
    ],
)
def test_refused_login_is_explained_in_two_lines(error, why, what_to_do):
    first, second = cannot_run_text("bob", error).split("\n")
    assert first.startswith("The bot bob cannot run: ")
    assert why in first
    assert what_to_do in second


def test_unknown_code_is_explained_by_the_message_of_the_server():
    assert cannot_run_text("bob", CometChatException("ERR_NEW", "No.")) == "The bot bob cannot run: No. (ERR_NEW)"


def called_by_the_library(handler) -> BaseException:
    """Return the error of a handler, with a frame of the library before and after it."""
    scope = {"__name__": "tailwire.bot.context"}
    exec(compile("def run(handler):\n    handler()\n", "context.py", "exec"), scope)
    try:
        scope["run"](handler)
    except Exception as e:
        return e
    raise AssertionError("it has no error")


def names(error: BaseException, *, complete: bool) -> list[str]:
    frames = traceback.extract_tb(exc_info_from_author(error, complete=complete)[2])
    return [frame.name for frame in frames if frame.name != "called_by_the_library"]


def asks() -> None:
    checked_id("x")


def divides() -> None:
    half(0)


def half(of: int) -> float:
    return 1 / of


def test_error_of_a_handler_is_shown_from_the_authors_first_line():
    error = called_by_the_library(divides)
    error.__traceback__ = error.__traceback__.tb_next  # the frame of this test is the author's, too
    assert names(error, complete=False) == names(error, complete=True) == ["divides", "half"]


def test_refused_call_of_the_chat_shows_the_lines_of_the_library_only_on_request():
    error = called_by_the_library(asks)
    error.__traceback__ = error.__traceback__.tb_next
    assert names(error, complete=False) == ["asks"]
    assert names(error, complete=True) == ["asks", "checked_id"]


def test_error_without_a_line_of_the_author_is_shown_in_full():
    scope = {"__name__": "tailwire.bot.context"}
    exec(compile("def fails():\n    raise KeyError('a bug of the library')\n", "context.py", "exec"), scope)
    error = called_by_the_library(scope["fails"])
    error.__traceback__ = error.__traceback__.tb_next
    assert names(error, complete=False) == ["run", "fails"]
