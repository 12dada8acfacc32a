"""The history of the terminal chat, compared with Textual's own widgets for text: filling, turning pages, resizing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.widgets import OptionList, RichLog

from tailwire.sdk.live.message_list import LiveMessage
from tailwire.tui.history import History
from tailwire.wire.entities import TextMessage, User

MESSAGES, PAGES = 10_000, 20
WIDTH, HEIGHT, NARROW = 120, 40, 100
PEOPLE = (User("alice", "Alice"), User("bob", "Bob"), User("carol", "Carol"))
PAGE_LIMIT_MS, FILL_LIMIT_SECONDS = 60.0, 0.3


def _messages() -> tuple[LiveMessage, ...]:
    return tuple(
        LiveMessage(
            f"m{n}",
            TextMessage(
                receiver="alice", id=n, sender=PEOPLE[n // 3 % 3], sent_at=1_750_000_000 + 60 * n,
                text=f"message {n} " + "some more words " * (n % 12),
            ),
        )
        for n in range(1, MESSAGES + 1)
    )  # fmt: skip


class _Bench(App[None]):
    def __init__(self, widget: Any) -> None:
        super().__init__()
        self.widget = widget

    def compose(self) -> ComposeResult:
        yield self.widget


async def _measured(
    widget: Any, fill: Callable[[], None], turn: Callable[[], None], shown: Callable[[], bool]
) -> tuple[float, float, float]:
    # Return seconds to fill, milliseconds for a page, and milliseconds for a resize, each until it is drawn.
    app = _Bench(widget)
    async with app.run_test(size=(WIDTH, HEIGHT)) as pilot:
        await pilot.pause()

        async def timed(work: Callable[[], Any]) -> float:
            began = time.perf_counter()
            done = work()
            if isinstance(done, Awaitable):
                await done
            await pilot.pause()
            app.screen._compositor.render_strips()
            return time.perf_counter() - began

        filled = await timed(fill)
        if not shown():
            raise RuntimeError(f"{type(widget).__name__} shows nothing")
        pages = sorted([await timed(turn) for _ in range(PAGES)])
        resized = await timed(lambda: pilot.resize_terminal(NARROW, HEIGHT))
    return filled, pages[len(pages) // 2] * 1000, resized * 1000


async def _run() -> list[str]:
    messages = _messages()
    history, log, options = History("alice"), RichLog(wrap=True), OptionList(markup=False)
    texts = [f"{m.message.sender.name}  {getattr(m.message, 'text', '')}" for m in messages]
    rows = {
        "the chat's history": await _measured(
            history, lambda: history.show(messages), lambda: history.scroll_lines(-HEIGHT), lambda: bool(history.text())
        ),
        "RichLog": await _measured(
            log, lambda: [log.write(t) for t in texts] and None, lambda: log.scroll_page_up(animate=False), lambda: bool(log.lines)
        ),
        "OptionList": await _measured(
            options, lambda: options.add_options(texts) and None, lambda: options.scroll_page_down(animate=False), lambda: options.option_count > 0
        ),
    }  # fmt: skip
    lines = [
        "### The history of the terminal chat",
        "",
        f"{MESSAGES:,} messages in a terminal of {WIDTH}×{HEIGHT}, compared with Textual's own widgets. Page: median of {PAGES}. "
        f"Each until it is drawn; the resize is to {NARROW} columns.",
        "",
        "| widget | fill | a page | resize |",
        "| --- | --- | --- | --- |",
    ]
    for name, (filled, page, resized) in rows.items():
        lines.append(f"| {name} | {filled:.2f} s | {page:.0f} ms | {resized:.0f} ms |")
    filled, page, _ = rows["the chat's history"]
    if filled > FILL_LIMIT_SECONDS or page > PAGE_LIMIT_MS:
        lines += ["", f"Too slow: at most {FILL_LIMIT_SECONDS} s and {PAGE_LIMIT_MS:.0f} ms are wanted."]
    return lines


def run() -> list[str]:
    """Run the benchmark, and return its section of the results."""
    return asyncio.run(_run())
