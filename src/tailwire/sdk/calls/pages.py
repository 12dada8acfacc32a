"""Read pages of lists, even if some entries are too large or cannot be decoded.

A page that exceeds the maximum size of a response is requested in smaller parts, and an entry that cannot be decoded is
skipped: what one user writes must not keep others from reading the rest.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.history import NO_MARK, id_of
from tailwire.sdk.exceptions import AnswerTooLarge, failure
from tailwire.sdk.io.answers import changes_of, mark_of, pruned_of, until_of, with_meta
from tailwire.wire.codec import DECODING_ERRORS, MAX_ID

log = logging.getLogger("tailwire")

T = TypeVar("T")
Ask = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
_ID_PATTERN = re.compile(rb'"id"\s*:\s*"?([0-9]{1,19})\b')
TOO_LARGE_TEXT = "it is too large to be read"
MAX_UNREADABLE_PAGES = 100
"""After this number of consecutive pages without a readable entry, reading a list fails: the list may be endless."""


class UnreadablePages:
    """Counts consecutive pages of a list without an entry that can be decoded, and fails if there are too many.

    Args:
        path: the path of the list, for the text of the error.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = 0

    def count(self) -> None:
        """Count one more unreadable page.

        Raises:
            CometChatException: `ERR_BAD_ERROR_RESPONSE` if it is the `MAX_UNREADABLE_PAGES`th consecutive one.
        """
        self._seen += 1
        if self._seen >= MAX_UNREADABLE_PAGES:
            details = f"{self._seen} pages of {self._path} contain nothing that can be read: check the host."
            raise failure("ERR_BAD_ERROR_RESPONSE", details)

    def clear(self) -> None:
        """Reset the counter. Call it after a page with a readable entry."""
        self._seen = 0


async def message_page(ask: Ask, query: Mapping[str, Any]) -> list[Any]:
    """Return a page of messages as JSON values, oldest first.

    If the page exceeds the maximum size of a response, it is requested in parts. A message that exceeds it alone is
    replaced by a dict with its id, which cannot be decoded as a message.

    Args:
        ask: sends a request for messages with the given query, and returns the list in the answer.
        query: `per_page`, the number of messages; `affix`: `append` for messages after the cursor, `prepend` for those
            before it; optionally the cursor: `id`, the id of a message, or `sentAt`; and any filters.

    Raises:
        CometChatException: as for `ask`; `ERR_ANSWER_TOO_LARGE` when a message is too large and its id cannot be read.
    """
    try:
        return await ask(query)
    except AnswerTooLarge as e:
        log.info("a page of messages is too large and is requested in parts: %s", e.details)
    limit, newer = int(query["per_page"]), query.get("affix") == "append"
    rest, size, page, mark, pruned = {**query}, max(1, limit // 2), list[Any](), "", 0
    changes: dict[str, Any] | None = None
    while len(page) < limit:
        size = min(size, limit - len(page))
        try:
            part = await ask({**rest, "per_page": size})
        except AnswerTooLarge as e:
            if size > 1:
                size //= 2
                continue
            by_id = not ("pinned" in rest or "saved" in rest)  # those are ordered by the time of the pin or save
            part = [_placeholder_for(e, int(rest.get("id") or 0) if by_id else 0, newer=newer)]
        mark, pruned = mark_of(part) or mark, max(pruned, pruned_of(part))
        if mark and "mark" in rest:
            rest["mark"] = mark  # the next cursor belongs to the start of the server that sent this part
        changes = _with_changes(changes, changes_of(part), rest)
        page = [*page, *part] if newer else [*part, *page]
        cursor = id_of(part[-1] if newer else part[0]) if part else 0
        if len(part) < size or not cursor:
            break
        rest["id"], size = cursor, size * 2
        rest.pop("sentAt", None)
    return with_meta(page, mark, changes, pruned)


def _with_changes(
    first: dict[str, Any] | None, more: Mapping[str, Any] | None, rest: dict[str, Any]
) -> dict[str, Any] | None:
    # Join what two parts of a page say about the change log. The next part continues where this one ends.
    rest.pop("atMost", None)  # the first part has left out what exceeds the limit
    if more is None:
        return first
    if isinstance(more.get("known"), int):
        rest["changes"] = more["known"]
    listed = [*(first or {}).get("listed", ()), *(more.get("listed") or ())]
    return {**more, **{k: v for k, v in (first or {}).items() if k in ("lost", "gap") and v}, "listed": listed}


def _placeholder_for(error: AnswerTooLarge, cursor: int, *, newer: bool) -> dict[str, str]:
    # The id is near the beginning of a message. A number on the wrong side of the cursor is the id of something else.
    for found in _ID_PATTERN.finditer(error.head):
        number = int(found[1])
        if 0 < number <= MAX_ID and (not cursor or (number > cursor) is newer) and number != cursor:
            log.warning("message %d is skipped: %s", number, TOO_LARGE_TEXT)
            return {"id": str(number), "data": TOO_LARGE_TEXT}
    raise error


async def fetch_position(ask: Callable[..., Awaitable[list[Any]]], token: str) -> Position:
    """Fetch the current position: catch-up from there hands over only what is sent or changed from now on.

    Args:
        ask: `Http.ask`, or a function with the same parameters.
        token: the auth token of the user.

    Raises:
        CometChatException: as for `ask`; `ERR_BAD_ERROR_RESPONSE` when the newest message cannot be decoded.
    """
    query = {"per_page": 1, "affix": "prepend", "mark": NO_MARK, "changes": NO_MARK}
    newest = await message_page(lambda parameters: ask("GET", "/messages", token=token, query=parameters), query)
    try:
        last = newest[-1] if newest else {"id": 0}
        number = (changes_of(newest) or {}).get("known")
        return Position(
            max(int(last["id"]), until_of(newest)), updated_at=int(last.get("updatedAt") or 0), mark=mark_of(newest),
            changes=number if isinstance(number, int) else None,
        )  # fmt: skip
    except DECODING_ERRORS as e:
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server's list of messages cannot be read.") from e


async def numbered_page(ask: Ask, query: Mapping[str, Any], size: int, number: int) -> list[Any]:
    """Return a page of a list with numbered pages, as JSON values.

    If the page exceeds the maximum size of a response, it is requested in parts. An entry that exceeds it alone is
    replaced by a text, which cannot be decoded as an entry.

    Args:
        ask: sends a request for the list with the given query, and returns the list in the answer. It raises
            `AnswerTooLarge` when the answer exceeds the maximum; its other exceptions are passed on.
        query: the parameters other than `per_page` and `page`.
        size: entries per page.
        number: the number of the page; the first is 1.
    """
    try:
        return await ask({**query, "per_page": size, "page": number})
    except AnswerTooLarge as e:
        if size == 1:
            log.warning("entry %d of a list is skipped: %s", number, e.details)
            return [TOO_LARGE_TEXT]  # a placeholder, because an empty page would end the list
    part = max(divisor for divisor in range(1, size) if size % divisor == 0)
    first = (number - 1) * (size // part) + 1
    return [value for n in range(size // part) for value in await numbered_page(ask, query, part, first + n)]


def readable(decode: Callable[[Any], T], listed: list[Any], what: str) -> list[T]:
    """Return the decoded entries of a list. Entries that cannot be decoded are logged with their id, and left out.

    Args:
        what: a noun for an entry, for the log, such as "a message".
    """
    found = []
    for value in listed:
        try:
            found.append(decode(value))
        except DECODING_ERRORS as error:
            log.warning("%s of a list is invalid and is left out: %s: %s", what, _name_of(value), error)
    return found


def _name_of(value: Any) -> str:
    if isinstance(value, Mapping):
        for key in ("id", "uid", "guid", "conversationId"):
            if isinstance(value.get(key), str | int):
                return f"{key} {str(value[key])[:100]!r}"
    return "without an id"
