"""The screen of the chat: the list of conversations, the open conversation, and to its right an open thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widgets import Static

from tailwire.sdk.client import ChatClient
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.live.conversations import LiveConversations
from tailwire.tui.conversation_panel import ConversationPanel
from tailwire.tui.files import fetch_file, is_on_server
from tailwire.tui.history import History
from tailwire.tui.message_actions import MessageActions
from tailwire.tui.pane import Pane
from tailwire.tui.pictures import Pictures
from tailwire.tui.unread_threads import UnreadThreads
from tailwire.tui.uploads import Uploads
from tailwire.tui.windows import Windows
from tailwire.tui.wording import Place, error_text, name_of

BANNER_SECONDS = 1.0
THREADS_LISTENER_ID = "terminal chat: unread threads"
NARROW_COLUMNS = 100
_GOOD_STATUSES = (ConnectionStatus.CONNECTED, ConnectionStatus.FEATURE_THROTTLED)


class ChatScreen(Screen[None]):
    """The chat of a user who is logged in.

    Args:
        chat: the client of the user.
        conversations: the conversations of the user.
        server: the URL of the server. Only pictures on this server are fetched and shown; "" to show none.
        now: returns the time, in seconds since 1970.

    Attributes:
        uploads: the files that are being sent.
    """

    AUTO_FOCUS = "#main Composer"  # what is typed before the conversation is open stays in the field
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+k", "window('jump')", "Jump", priority=True),
        Binding("ctrl+f", "window('search')", "Search", priority=True),
        Binding("ctrl+o", "window('upload')", "Send a file", priority=True),
        Binding("f1", "window('keys')", "Keys", priority=True),
        Binding("f2", "window('why')", "Connection", priority=True),
        Binding("alt+a", "next_unread", "Next unread", show=False, priority=True),
        Binding("alt+up", "neighbour(-1)", "Above", show=False, priority=True),
        Binding("alt+down", "neighbour(1)", "Below", show=False, priority=True),
        *(Binding(f"alt+{n}", f"number({n})", f"Conversation {n}", show=False, priority=True) for n in range(1, 10)),
    ]

    def __init__(
        self,
        chat: ChatClient,
        conversations: LiveConversations,
        *,
        server: str = "",
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._pictures = Pictures(fetch_file, lambda url: is_on_server(url, server), self._draw_histories)
        self.uploads = Uploads(chat, self._draw_soon, self._notify_user)
        self._chat, self._conversations, self._now = chat, conversations, now
        me = chat.get_logged_in_user()
        self._threads = UnreadThreads(me.uid if me else "", self._mark_threads)
        self._actions: MessageActions | None = None
        self._stops: list[Callable[[], None]] = []
        self._drawing = self._connected = False

    def compose(self) -> ComposeResult:
        """Yield the parts of the screen."""
        with Horizontal(id="all"):
            yield ConversationPanel(id="side")
            with Vertical(id="right"):
                yield Static(id="banner", markup=False)
                with Horizontal(id="panes"):
                    yield Pane(now=self._now, id="main")
                    yield Pane(now=self._now, id="thread")
        yield Static(id="keys", markup=False)

    def on_mount(self) -> None:
        """Subscribe to changes of the conversations and the connection, and open the first conversation."""
        self._actions = MessageActions(self.app)
        self._stops = [
            self._conversations.subscribe(lambda _: self._draw_soon()),
            self._chat.connection.subscribe(lambda _: self._draw_soon()),
            lambda: self._chat.remove_message_listener(THREADS_LISTENER_ID),
        ]
        self._chat.add_message_listener(THREADS_LISTENER_ID, self._threads)
        self.set_interval(BANNER_SECONDS, self._draw)
        self.watch(self.app, "app_focus", self._draw_histories, init=False)  # what is visible is read on its return
        self.query_one("#thread").display = False
        if self.app.console.color_system in ("256", "truecolor") and not self.app.no_color:
            self.main.history.picture = self.thread.history.picture = self._pictures.lines
        self._draw()
        places = self.query_one(ConversationPanel).places
        if places:
            self.open(places[0])
        else:
            self.query_one("#main .head", Static).update("No conversation yet: ctrl+k finds people and groups")

    def on_unmount(self) -> None:
        """End the subscriptions of `on_mount`, and cancel uploads and the fetching of pictures."""
        for stop in self._stops:
            stop()
        self.uploads.close()
        self._pictures.close()

    def on_resize(self) -> None:
        """Hide the conversation while a thread is open and the terminal has less than `NARROW_COLUMNS` columns."""
        thread = self.query_one("#thread").display
        self.query_one("#main").display = not (thread and self.size.width < NARROW_COLUMNS)

    @property
    def main(self) -> Pane:
        """The pane of the open conversation."""
        return self.query_one("#main", Pane)

    @property
    def thread(self) -> Pane:
        """The pane of the open thread; it is not displayed while no thread is open."""
        return self.query_one("#thread", Pane)

    def _notify_user(self, text: str, error: bool) -> None:
        self.notify(text, severity="error" if error else "information", markup=False)

    # Drawing.

    def _draw_histories(self) -> None:
        for history in self.query(History):
            history.draw_again()

    def _draw_soon(self) -> None:
        if not self._drawing:
            self._drawing = True
            self.call_later(self._draw)

    def _draw(self) -> None:
        self._drawing = False
        if not self.is_attached or self._conversations.closed:
            return
        try:
            self.query_one(ConversationPanel).show(self._conversations.items)
            banner, keys = self.query_one("#banner", Static), self.query_one("#keys", Static)
        except NoMatches:
            return  # the screen is being removed
        status = self._chat.get_connection_status()
        words = "" if status in _GOOD_STATUSES else self._chat.connection.explain()
        banner.update(words)
        banner.display = bool(words)
        before, self._connected = self._connected, status in _GOOD_STATUSES
        if self._connected and not before:
            self._draw_histories()  # what was read meanwhile is reported now
        me = self._chat.get_logged_in_user()
        dot = ("●", "$success") if self._connected else ("○", "$error")
        sending = self.uploads.summary()
        hints = f"{sending}   F1 keys" if sending else "ctrl+k jump   ctrl+f search   esc messages   F1 keys"
        keys.update(Content.assemble(dot, f" {name_of(me) if me else ''}   ", (hints, "$text-muted")))

    # Conversations.

    def open(self, place: Place) -> None:
        """Begin to open a conversation in a worker, which replaces an earlier one.

        An open thread is closed. If the messages cannot be read, an error is shown and nothing else changes.
        """
        self.run_worker(self._open(place), exclusive=True, group="open")

    async def _open(self, place: Place) -> None:
        if self._is_open(place):
            self.main.composer.focus()
            return
        panel = self.query_one(ConversationPanel)
        unread = any(one.key == place.key for one in panel.unread)
        try:
            await self.main.open(self._chat, place, self._threads.read(self._chat, place) if unread else None)
        except CometChatException as e:
            self.notify(f"{place.title} cannot be opened. {error_text(e)}", severity="error", markup=False)
            return
        self.close_thread()
        self._mark_threads()
        panel.open(place.key)
        self.main.composer.focus()

    @on(ConversationPanel.Chosen)
    def _open_chosen(self, event: ConversationPanel.Chosen) -> None:
        self.open(event.place)

    def action_next_unread(self) -> None:
        """Open the first conversation of the list that has unread messages and is not open."""
        unread = [p for p in self.query_one(ConversationPanel).unread if not self._is_open(p)]
        if unread:
            self.open(unread[0])

    def _is_open(self, place: Place) -> bool:
        return self.main.place is not None and self.main.place.key == place.key

    def action_neighbour(self, step: int) -> None:
        """Open the conversation `step` entries below the open one in the list; a negative number goes up.

        It stops at the ends of the list. If no conversation is open, the first one is opened.
        """
        places = self.query_one(ConversationPanel).places
        at = next((n for n, place in enumerate(places) if self._is_open(place)), None)
        if places:
            self.open(places[0] if at is None else places[min(max(at + step, 0), len(places) - 1)])

    def action_number(self, number: int) -> None:
        """Open a conversation by its number in the list; the first is 1. Without effect if there are fewer."""
        places = self.query_one(ConversationPanel).places
        if number <= len(places):
            self.open(places[number - 1])

    def action_window(self, name: Literal["jump", "search", "upload", "keys", "why"]) -> None:
        """Open a window over the chat, in a worker: the method of `Windows` with this name."""
        windows = Windows(
            self, self._chat, self.main, self.thread, self.uploads,
            lambda: self.query_one(ConversationPanel).places, self.open, self._open_thread,
        )  # fmt: skip
        opened = {"jump": windows.jump, "search": windows.search, "upload": windows.upload, "keys": windows.keys}
        self.run_worker(opened.get(name, windows.why)(), exclusive=True, group="window")

    # Messages.

    @on(Pane.Problem)
    def _show_problem(self, event: Pane.Problem) -> None:
        self.notify(event.text, severity="error", markup=False)

    @on(History.Command)
    def _run_command(self, event: History.Command) -> None:
        pane = self.thread if self.thread in event.history.ancestors else self.main
        item = event.history.selected_item()
        if event.name == "leave":
            if pane is self.thread:
                self.close_thread()
                self.main.composer.focus()
                return
            event.history.select(None)
            event.history.follow_newest()
            pane.composer.focus()
        elif item is None or self._actions is None:
            return
        elif event.name == "thread" and item.message.id and pane is self.main:
            self.run_worker(self._open_thread(item.message.id), exclusive=True, group="open")
        else:
            self.run_worker(self._run_from_menu(pane, event.name), exclusive=True, group="window")

    async def _run_from_menu(self, pane: Pane, name: str) -> None:
        item = pane.history.selected_item()
        if item is None or self._actions is None:
            return
        if name == "menu":
            chosen = await self._actions.choose(pane, item)
            if chosen == "thread":
                await self._open_thread(item.message.id)
                return
            name = chosen
        await self._actions.carry_out(pane, item, name)

    async def _open_thread(self, message_id: int) -> None:
        place = self.main.place
        if place is None:
            return
        try:
            await self.thread.open(self._chat, Place(place.kind, place.id, place.name, message_id))
        except CometChatException as e:
            self.notify(f"The thread cannot be opened. {error_text(e)}", severity="error", markup=False)
            return
        self.thread.display = True
        self._mark_threads()
        self.on_resize()
        self.thread.composer.focus()

    def _mark_threads(self) -> None:
        if not self.is_attached or self.main.place is None:
            return
        if self.thread.place is not None:
            self._threads.remove_mark(self.thread.place)
        history, unread = self.main.history, self._threads.marked_in(self.main.place)
        if unread != history.unread_threads:
            history.unread_threads = unread
            history.draw_again()

    def close_thread(self) -> None:
        """Close the thread's pane; without effect if no thread is open."""
        self.thread.close()
        self.thread.display = False
        self.on_resize()
