"""The iterator over the entries of pages."""

from __future__ import annotations

import pytest

from tailwire.sdk.calls.entries import Entries
from tailwire.sdk.exceptions import CometChatException, failure


async def test_failed_page_is_requested_again_by_the_next_step():
    answers: list[object] = [["a", "b"], failure("ERR_UNAVAILABLE"), ["c"], []]

    async def fetch_next() -> list[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, list)
        return answer

    entries = Entries(fetch_next)
    assert [await anext(entries), await anext(entries)] == ["a", "b"]
    with pytest.raises(CometChatException, match="ERR_UNAVAILABLE"):
        await anext(entries)
    assert [entry async for entry in entries] == ["c"]
