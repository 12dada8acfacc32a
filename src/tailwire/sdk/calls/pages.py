"""Pages of a list that always come: where one is too large to be read it is asked for in parts, and what cannot be read
by itself is passed over. Whatever one user writes, others go on reading behind it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.history import NO_MARK, id_of
from tailwire.sdk.exceptions import AnswerTooLarge, failure
from tailwire.sdk.io.answers import mark_of, with_mark
from tailwire.wire.codec import MAX_ID, UNREADABLE

log = logging.getLogger("tailwire")

T = TypeVar("T")
Ask = Callable[[Mapping[str, Any]], Awaitable[list[Any]]]
_ID = re.compile(rb'"id"\s*:\s*"?([0-9]{1,19})\b')
TOO_LARGE = "it is too large to be read"


async def message_page(ask: Ask, query: Mapping[str, Any]) -> list[Any]:
    """Return a page of messages as the server sent them, oldest first.

    For one that is too large by itself stands an object with its id that no message can be made of.

    Args:
        ask: `GET` of a list of messages; gives what the server sent.
        query: with `per_page` and `affix`, and perhaps `id`.

    Raises:
        CometChatException: as `ask` does; `ERR_ANSWER_TOO_LARGE` where that does not even say which message it is.
    """
    try:
        return await ask(query)
    except AnswerTooLarge as e:
        log.info("a page of messages is asked for in parts: %s", e.details)
    limit, newer = int(query["per_page"]), query.get("affix") == "append"
    rest, size, page, mark = {**query}, max(1, limit // 2), list[Any](), ""
    while len(page) < limit:
        size = min(size, limit - len(page))
        try:
            part = await ask({**rest, "per_page": size})
        except AnswerTooLarge as e:
            if size > 1:
                size //= 2
                continue
            by_id = not ("pinned" in rest or "saved" in rest)  # those are in the order of the pins
            part = [_named(e, int(rest.get("id") or 0) if by_id else 0, newer=newer)]
        mark = mark_of(part) or mark
        if mark and "mark" in rest:
            rest["mark"] = mark  # the cursor moves on, and it belongs to the start of the server that gave this part
        page = [*page, *part] if newer else [*part, *page]
        cursor = id_of(part[-1] if newer else part[0]) if part else 0
        if len(part) < size or not cursor:
            break
        rest["id"], size = cursor, size * 2
        rest.pop("sentAt", None)
    return with_mark(page, mark)


def _named(error: AnswerTooLarge, cursor: int, *, newer: bool) -> dict[str, str]:
    # The id stands near the beginning of a message; one that lies on the wrong side of the cursor is another thing's.
    for found in _ID.finditer(error.head):
        number = int(found[1])
        if 0 < number <= MAX_ID and (not cursor or (number > cursor) is newer) and number != cursor:
            log.warning("message %d is passed over: %s", number, TOO_LARGE)
            return {"id": str(number), "data": TOO_LARGE}
    raise error


async def position_now(ask: Callable[..., Awaitable[list[Any]]], token: str) -> Position:
    """Return the position behind the newest message of all conversations.

    Args:
        ask: as `Http.ask`.

    Raises:
        CometChatException: as `ask` does; `ERR_BAD_ERROR_RESPONSE` when that message has no id.
    """
    query = {"per_page": 1, "affix": "prepend", "mark": NO_MARK}
    newest = await message_page(lambda asked: ask("GET", "/messages", token=token, query=asked), query)
    try:
        last = newest[-1] if newest else {"id": 0}
        return Position(int(last["id"]), updated_at=int(last.get("updatedAt") or 0), mark=mark_of(newest))
    except UNREADABLE as e:
        raise failure("ERR_BAD_ERROR_RESPONSE", "The server's list of messages cannot be read.") from e


async def numbered_page(ask: Ask, query: Mapping[str, Any], size: int, number: int) -> list[Any]:
    """Return a page of a list whose pages are counted, as the server sent it; without what is too large by itself.

    Args:
        size: entries a page.
        number: of the page, from 1 on.
    """
    try:
        return await ask({**query, "per_page": size, "page": number})
    except AnswerTooLarge as e:
        if size == 1:
            log.warning("entry %d of a list is passed over: %s", number, e.details)
            return [TOO_LARGE]  # in its place, or the list would seem to end; nothing can be made of it
    part = max(divisor for divisor in range(1, size) if size % divisor == 0)
    first = (number - 1) * (size // part) + 1
    return [value for n in range(size // part) for value in await numbered_page(ask, query, part, first + n)]


def readable(decode: Callable[[Any], T], listed: list[Any], what: str) -> list[T]:
    """Return what can be read of a list; what cannot is logged with its id, and left out.

    Args:
        what: what they are, in words.
    """
    found = []
    for value in listed:
        try:
            found.append(decode(value))
        except UNREADABLE as error:
            log.warning("%s of a list cannot be read and is left out: %s: %s", what, _name_of(value), error)
    return found


def _name_of(value: Any) -> str:
    if isinstance(value, Mapping):
        for key in ("id", "uid", "guid", "conversationId"):
            if isinstance(value.get(key), str | int):
                return f"{key} {str(value[key])[:100]!r}"
    return "without a name"
