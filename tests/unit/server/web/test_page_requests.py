"""Requests in progress of the console end with their session, and leave nothing behind."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.server.web.page_requests import receive_until_ended

pytestmark = pytest.mark.virtual


async def never() -> dict:
    await asyncio.Event().wait()
    return {}


@pytest.mark.parametrize("end", ["cancelled", "session"])
async def test_request_that_is_cancelled_or_ends_with_its_session_leaves_no_task(end):
    ended = asyncio.Event()
    waiting = asyncio.ensure_future(receive_until_ended(never, ended)())
    await asyncio.sleep(1)
    waiting.cancel() if end == "cancelled" else ended.set()
    await asyncio.wait([waiting])
    await asyncio.sleep(1)
    assert waiting.cancelled() is (end == "cancelled")
    assert waiting.cancelled() or waiting.result() == {"type": "http.disconnect"}
    assert asyncio.all_tasks() == {asyncio.current_task()}
