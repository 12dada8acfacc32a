"""The order and the retries of sends."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tailwire import CometChatException
from tailwire.sdk.exceptions import failure
from tailwire.sdk.sending import Sending

pytestmark = pytest.mark.virtual


async def ends_with(*codes: str) -> str:
    """Return the result of a send whose first attempts fail with these codes, or its error."""
    left = list(codes)

    async def attempt() -> str:
        if left:
            raise failure(left.pop(0))
        return "sent"

    try:
        return await Sending(lambda: 0.5).send("bob", attempt)
    except CometChatException as e:
        return f"{e.code} {e.details}"


async def test_refusal_after_a_lost_response_does_not_claim_that_nothing_was_stored():
    """The message of an attempt without a response may have been stored, whatever the server answers to a later one."""
    assert await ends_with("NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE") == "sent"
    for last in ("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_NOT_A_MEMBER"):
        assert (await ends_with(last)).startswith(last)
        error = await ends_with("NO_INTERNET_CONNECTION", last)
        assert error.startswith("NO_INTERNET_CONNECTION It is not known whether")
        assert last in error
    busy = ["ERR_TOO_MANY_REQUESTS"] * 4
    assert (await ends_with(*busy)).startswith("ERR_TOO_MANY_REQUESTS")
    assert (await ends_with("ERR_UNAVAILABLE", *busy[:3])).startswith("NO_INTERNET_CONNECTION")
    assert (await ends_with(*["ERR_UNAVAILABLE"] * 4)).startswith("ERR_UNAVAILABLE")


async def test_later_sends_keep_waiting_when_a_queued_send_is_cancelled():
    sending, begun, may_end = Sending(lambda: 0.5), [], asyncio.Event()

    async def attempt(name: str) -> str:
        begun.append(name)
        if name == "first":
            await may_end.wait()
        return name

    sends = {n: asyncio.create_task(sending.send("bob", partial(attempt, n))) for n in ("first", "second", "third")}
    await settle()
    sends["second"].cancel()
    await settle()
    assert begun == ["first"]
    may_end.set()
    assert await sends["third"] == "third"
    assert begun == ["first", "third"]


async def settle() -> None:
    """Let all tasks run until each of them waits."""
    for _ in range(20):
        await asyncio.sleep(0)
