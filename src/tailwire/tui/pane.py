"""A conversation, or a thread: its heading, its history, who is typing, and the field for a message."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.live.message_list import LiveMessage
from tailwire.sdk.live.messages import LiveMessages
from tailwire.tui.composer import Composer
from tailwire.tui.history import History
from tailwire.tui.safe_text import cut_to
from tailwire.tui.wording import Place, error_text, name_of, preview_of
from tailwire.wire.entities import BaseMessage, TextMessage

TYPING_SECONDS = 8.0
"""Minimum seconds between two reports to the server that the user is typing."""
MAX_SEARCHED_PAGES = 10
"""The maximum number of pages that `Pane.reveal` loads to find an old message."""
OLDER_PAGE_SIZE = 50


class Pane(Vertical):
    """One open conversation or thread.

    Args:
        now: returns the time, in seconds since 1970.

    Attributes:
        place: the open conversation or thread; None while none is open.
        live: its messages, kept current; None while none is open.
    """

    DEFAULT_CSS = """
    Pane > .head { height: 1; padding: 0 1; text-style: bold; background: $panel; }
    Pane > .note { height: auto; padding: 0 1; display: none; color: $warning; }
    Pane > .typing { height: 1; padding: 0 1; color: $text-muted; }
    Pane > History { height: 1fr; }
    Pane > .about { height: 1; padding: 0 1; display: none; color: $accent; }
    """

    class Problem(Message):
        """Something failed; `text` is what the user reads."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, *, now: Callable[[], float] = time.time, id: str | None = None) -> None:
        super().__init__(id=id)
        self._now = now
        self._client: ChatClient | None = None
        self.place: Place | None = None
        self.live: LiveMessages | None = None
        self._read_up_to = 0
        self._typed_at = float("-inf")
        self._loading = self._drawing = False
        self._drafts: dict[tuple[str, int], str] = {}
        self._set_aside = ""  # what was in the field before the edit
        self._editing: BaseMessage | None = None
        self._replying: BaseMessage | None = None

    def compose(self) -> ComposeResult:
        """Yield the parts of the pane."""
        yield Static(classes="head", markup=False)
        yield Static(classes="note", markup=False)
        yield History(now=self._now)
        yield Static(classes="typing", markup=False)
        yield Static(classes="about", markup=False)
        yield Composer()

    @property
    def history(self) -> History:
        """The history of the conversation or thread."""
        return self.query_one(History)

    @property
    def composer(self) -> Composer:
        """The field for a message."""
        return self.query_one(Composer)

    @property
    def client(self) -> ChatClient:
        """The client that `open` was called with last.

        Raises:
            RuntimeError: `open` has not been called yet.
        """
        if self._client is None:
            raise RuntimeError("no conversation is open")
        return self._client

    async def open(self, client: ChatClient, place: Place, preparation: Awaitable[None] | None = None) -> None:
        """Open a conversation or a thread in place of the one that is open, once its messages have been read.

        Text in the field is kept with the former conversation or thread, and restored when that is opened again.

        Args:
            client: the client of the user.
            place: the conversation or thread.
            preparation: awaited before the messages are shown, for work that needs to know which are unread: showing
                them marks them as read.

        Raises:
            CometChatException: the messages cannot be read; what was open stays open.
        """
        me = client.get_logged_in_user()
        other: dict[str, Any] = {"guid" if place.kind == "group" else "uid": place.id}
        opening = asyncio.ensure_future(
            client.live_messages(**other, parent_message_id=place.parent, page_size=OLDER_PAGE_SIZE)
        )
        try:
            await asyncio.gather(opening, *([] if preparation is None else [preparation]))
        except BaseException:
            opening.add_done_callback(_close_opened)
            raise
        live = opening.result()
        first = self._client is None
        self.close()
        self._client, self.place, self.live = client, place, live
        self._read_up_to, self._typed_at = 0, float("-inf")
        self.put_aside()
        if not first:
            self.composer.text = self._drafts.pop((place.key, place.parent), "")
        self.history.me = me.uid if me else ""
        self.history.select(None)
        self.history.follow_newest()
        live.subscribe(lambda _: self._draw_soon())
        self._draw()

    def close(self) -> None:
        """Stop following the open conversation or thread, and show no messages.

        Text in the field is kept for when it is opened again.
        """
        if self.place is not None:
            text = self.composer.text if self._editing is None else self._set_aside
            self._drafts[self.place.key, self.place.parent] = text
        if self.live is not None:
            self.live.close()
        self.live = self.place = None
        self.history.show(())

    # Drawing.

    def _draw_soon(self) -> None:
        # One drawing for all changes of a turn of the event loop.
        if not self._drawing:
            self._drawing = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._drawing = False
        live, place = self.live, self.place
        if live is None or place is None or not self.is_attached:
            return
        self.history.show(live.items)
        head = f"Thread in {place.title}" if place.parent else place.title
        self.query_one(".head", Static).update(head)
        names = [name_of(user) for user in live.typing]
        typing = f"{', '.join(names[:3])} {'is' if len(names) == 1 else 'are'} typing …" if names else ""
        self.query_one(".typing", Static).update(typing)
        note = self.query_one(".note", Static)
        words = "You are no longer a member of this group." if live.gone else ""
        if not words and live.error is not None and not live.items:
            words = f"The messages could not be read: {error_text(live.error)}"
        note.update(words)
        note.display = bool(words)

    @on(History.Seen)
    def _mark_read(self) -> None:
        live = self.live
        if live is None or self._client is None or not self.app.app_focus:
            return
        me = self.history.me
        last = next((i.message for i in reversed(live.items) if i.message.id and i.message.sender.uid != me), None)
        if last is None or last.id <= self._read_up_to:
            return
        self.run_worker(self._report_read(self._client, live, last), group="read", exclusive=True)

    async def _report_read(self, client: ChatClient, live: LiveMessages, last: BaseMessage) -> None:
        # If it fails, the next `History.Seen` repeats it: the screen lets that follow once the connection is back.
        if await self._run_quietly(client.mark_as_read(last)) and live is self.live:
            self._read_up_to = last.id

    async def _run_quietly(self, call: Any) -> bool:
        # For reports such as typing and read marks: if one fails, it is only logged.
        try:
            await call
        except CometChatException as e:
            self.log.info(f"not reported to the server: {e.code}")
            return False
        return True

    @on(History.AtTop)
    def _read_older(self) -> None:
        if self.live is not None and not self._loading and not self.live.complete:
            self._loading = True
            self.run_worker(self._load_older(self.live), group="older")

    async def _load_older(self, live: LiveMessages) -> None:
        try:
            await live.older(OLDER_PAGE_SIZE)
        except CometChatException as e:
            if not live.closed:
                self.post_message(self.Problem(error_text(e)))
        finally:
            self._loading = False

    async def reveal(self, message_id: int) -> bool:
        """Select a message and focus the history; load older pages until the message is found.

        Returns:
            False if it is not among the messages after at most `MAX_SEARCHED_PAGES` pages, or if nothing is open or
            another conversation or thread was opened meanwhile.

        Raises:
            CometChatException: a page cannot be read.
        """
        live = self.live
        for _ in range(MAX_SEARCHED_PAGES):
            if live is None or live is not self.live:
                return False
            found = next((item for item in live.items if item.message.id == message_id), None)
            if found is not None:
                self._draw()
                self.history.focus()
                self.history.select(found.key)
                return True
            if live.complete or not await live.older(100):
                break
        return False

    # Writing.

    @on(TextArea.Changed)
    def _send_typing(self) -> None:
        now = self._now()
        if not self.composer.text or self._editing or self.place is None or self._client is None:
            return
        if now - self._typed_at >= TYPING_SECONDS:
            self._typed_at = now
            self.run_worker(
                self._run_quietly(self._client.start_typing(self.place.id, self.place.kind)), group="typing"
            )

    @on(Composer.Sent)
    def _send(self, event: Composer.Sent) -> None:
        text, place, client = event.text.strip(), self.place, self._client
        if not text:
            return
        if place is None or client is None:
            self.post_message(self.Problem("Not sent: no conversation is open yet. Press Enter again once one is."))
            return
        editing, replying = self._editing, self._replying
        if editing is not None:
            self.run_worker(self._edit(client, editing, text), group="edit")
            return
        message = TextMessage(
            receiver=place.id, receiver_type=place.kind, text=text, parent_message_id=place.parent,
            quoted_message_id=replying.id if replying else 0,
        )  # fmt: skip
        try:
            client.queue_message(message)
        except CometChatException as e:
            self.post_message(self.Problem(error_text(e)))
            return
        self.composer.text = ""
        self.put_aside()
        self.history.select(None)
        self.history.follow_newest()
        self._typed_at = float("-inf")
        self.run_worker(self._run_quietly(client.end_typing(place.id, place.kind)), group="typing")

    async def _edit(self, client: ChatClient, message: BaseMessage, text: str) -> None:
        changed = TextMessage(
            id=message.id, receiver=message.receiver, receiver_type=message.receiver_type, text=text,
            metadata=message.metadata, tags=message.tags,
        )  # fmt: skip
        try:
            await client.edit_message(changed)
        except CometChatException as e:
            self.post_message(self.Problem(f"Not edited: {error_text(e)}"))  # the text remains in the field
            return
        if self._editing is message and self.composer.text.strip() == text:  # if not, the user writes on
            self.put_aside()

    def put_aside(self) -> None:
        """Stop editing a message or replying to one.

        After an edit, the field contains again what was in it before.
        """
        if self._editing is not None:
            self.composer.text, self._set_aside = self._set_aside, ""
            self.composer.move_cursor(self.composer.document.end)
        self._editing = self._replying = None
        self.query_one(".about").display = False

    def edit(self, item: LiveMessage) -> bool:
        """Begin to edit a message: put its text into the field; sending it then changes the message.

        What was in the field returns to it when the edit is sent or cancelled.

        Return False if the message is not a text message of the user themself, is not sent yet, or is deleted.
        """
        message = item.message
        mine = message.sender.uid == self.history.me
        if not mine or not message.id or message.deleted_at or not isinstance(message, TextMessage):
            return False
        if self._editing is None:
            self._set_aside = self.composer.text
        self._editing, self._replying = message, None
        self._show_about("Editing", message)
        self.composer.text = message.text
        self.composer.move_cursor(self.composer.document.end)
        self.composer.focus()
        return True

    def reply(self, item: LiveMessage) -> bool:
        """Quote a message in the next one that is sent. Return False if it is not sent yet, or is deleted."""
        if not item.message.id or item.message.deleted_at:
            return False
        self.put_aside()
        self._replying = item.message
        self._show_about(f"Reply to {name_of(item.message.sender)}", item.message)
        self.composer.focus()
        return True

    def _show_about(self, words: str, message: BaseMessage) -> None:
        about = self.query_one(".about", Static)
        text = cut_to(preview_of(message), 60)
        about.update(Content.assemble((f"{words}: ", "bold"), text, ("   esc cancels", "dim")))
        about.display = True

    @on(Composer.EditLast)
    def _edit_last(self) -> None:
        for item in reversed(self.history.items):
            if self.edit(item):
                return

    @on(Composer.Left)
    def _leave_composer(self) -> None:
        if self._editing or self._replying:
            self.put_aside()
            return
        self.history.focus()
        if self.history.selected is None:
            self.history.select_next(0)

    @on(Composer.Scrolled)
    def _scroll(self, event: Composer.Scrolled) -> None:
        self.history.scroll_lines(event.pages * max(self.history.size.height - 2, 1))


def _close_opened(opening: asyncio.Future[LiveMessages]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
