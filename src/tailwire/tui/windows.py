"""Open the windows over the chat: jump, search, send a file, the connection, keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textual.screen import Screen

from tailwire.sdk.calls.message_requests import MessagesRequestBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.tui.help import HelpScreen
from tailwire.tui.message_actions import result_line
from tailwire.tui.pane import Pane
from tailwire.tui.picker import Choice, Picker, matching_choices
from tailwire.tui.upload import UploadScreen
from tailwire.tui.uploads import Uploads
from tailwire.tui.why import ConnectionScreen
from tailwire.tui.wording import Place, error_text, place_of
from tailwire.wire.entities import Action

MAX_FOUND_ENTRIES = 30
MIN_SEARCH_CHARACTERS = 2


@dataclass(frozen=True, slots=True)
class Windows:
    """Opens windows over the chat screen. Each method waits until its window is closed, so call it in a worker.

    Attributes:
        screen: the screen of the chat.
        chat: the client of the user.
        main: the pane of the open conversation.
        thread: the pane of the open thread.
        uploads: receives the files to send.
        places: returns the user's conversations as places, in the order of the list.
        open: begins to open a conversation.
        open_thread: opens the thread of a message of the open conversation, given the message's id.
    """

    screen: Screen[None]
    chat: ChatClient
    main: Pane
    thread: Pane
    uploads: Uploads
    places: Callable[[], list[Place]]
    open: Callable[[Place], None]
    open_thread: Callable[[int], Awaitable[None]]

    async def jump(self) -> None:
        """Let the user find a conversation, a user or a group, and open the chosen one."""
        place = await self.screen.app.push_screen_wait(Picker("Jump to", "Name of a user or group", self._find_places))
        if place is not None:
            self.open(place)

    async def _find_places(self, typed: str) -> Sequence[Choice]:
        known = [Choice(place.title, place) for place in self.places()]
        found = matching_choices(known, typed)
        if not typed.strip():
            return found
        keys = {choice.value.key for choice in found}
        for note, entities in (
            ("user", self.chat.users(search=typed.strip(), page_size=MAX_FOUND_ENTRIES)),
            ("group", self.chat.groups(search=typed.strip(), page_size=MAX_FOUND_ENTRIES)),
        ):
            count = 0
            async for entity in entities:
                place, count = place_of(entity), count + 1
                if place.key not in keys:
                    found.append(Choice(place.title, place, note))
                if count >= MAX_FOUND_ENTRIES:
                    break
        return found

    async def search(self) -> None:
        """Let the user search the text of messages in the open conversation, and show the chosen message there.

        If it is a reply, its thread is opened. Without effect if no conversation is open.
        """
        place = self.main.place
        if place is None:
            return

        async def find(typed: str) -> Sequence[Choice]:
            if len(typed.strip()) < MIN_SEARCH_CHARACTERS:
                return []
            request = MessagesRequestBuilder().set_search_keyword(typed.strip()).set_limit(MAX_FOUND_ENTRIES)
            request = request.set_guid(place.id) if place.kind == "group" else request.set_uid(place.id)
            listed = await request.hide_deleted_messages().build(self.chat).fetch_previous()
            return [Choice(result_line(m), m) for m in reversed(listed) if not isinstance(m, Action)]

        empty = "Nothing found. Type at least two letters."
        message = await self.screen.app.push_screen_wait(Picker(f"Search in {place.title}", "Words", find, empty=empty))
        if message is None:
            return
        if message.parent_message_id:
            await self.open_thread(message.parent_message_id)
        pane = self.thread if message.parent_message_id else self.main
        try:
            found = await pane.reveal(message.id)
        except CometChatException as e:
            self.screen.notify(error_text(e), severity="error", markup=False)
            return
        if not found:
            self.screen.notify("The message is too far back to be shown here.", severity="warning")

    async def upload(self) -> None:
        """Let the user send a file: to the thread if it has the focus, otherwise to the open conversation."""
        focused = self.screen.focused
        place = self.thread.place if focused is not None and self.thread in focused.ancestors else self.main.place
        if place is not None:
            await self.screen.app.push_screen_wait(UploadScreen(self.uploads, place))

    async def keys(self) -> None:
        """Show the keys."""
        await self.screen.app.push_screen_wait(HelpScreen())

    async def why(self) -> None:
        """Show the state of the connection, the reason for it and its history; dumps go to the current folder."""
        await self.screen.app.push_screen_wait(ConnectionScreen(self.chat.connection, Path()))
