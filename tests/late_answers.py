"""Answers of the server that arrive late, so that events overtake them."""

from __future__ import annotations

import asyncio
from typing import Any

from harness import Actor


class LateAnswers:
    """Keeps back the answers of a client's requests after the server has computed them. Events arrive meanwhile.

    The answers keep their order.

    Attributes:
        seconds: how long each answer is kept back, at least.
        computed: method and path of the requests that the server has answered, in order.
    """

    def __init__(self, actor: Actor, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.computed: list[str] = []
        requests, loop = actor.chat._parts.requests, asyncio.get_running_loop()
        real_ask, order = requests.ask, asyncio.Lock()

        async def ask(method: str, path: str, **more: Any) -> Any:
            answer = await real_ask(method, path, **more)
            self.computed.append(f"{method} {path}")
            due = loop.time() + self.seconds
            async with order:
                await asyncio.sleep(due - loop.time())
            return answer

        requests.ask = ask  # type: ignore[method-assign]
