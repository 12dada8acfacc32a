"""The app of the terminal chat: it logs in, owns the client, and shows the login screen or the chat screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from tailwire.adapters.find import watch
from tailwire.adapters.watching import Watch
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.files import FileSessionStore
from tailwire.sdk.live.conversations import LiveConversations
from tailwire.tui.chat_screen import ChatScreen
from tailwire.tui.login import LoginScreen, Secret
from tailwire.tui.profiles import Profile, ProfileBook
from tailwire.tui.safe_text import safe_line
from tailwire.tui.style import STYLE
from tailwire.tui.wording import error_text

LOGIN_TIMEOUT_SECONDS = 8.0
"""Seconds that a login may take, with all repetitions of its requests."""
NO_PROFILE, NO_SECRET = Profile("", "", ""), Secret()


class ChatApp(App[None]):
    """The terminal chat.

    Args:
        profiles: the saved profiles.
        profile: the user to log in at once, if server, app id and uid are set; otherwise the fields of the login
            screen contain it at first.
        secret: an auth token or auth key for `profile`; not needed if a session of it is saved.
        now: returns the time, in seconds since 1970.

    Attributes:
        chat: the client of the user who is logged in; None while no user is.
    """

    TITLE = "tailwire chat"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
    CSS = STYLE
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        profiles: ProfileBook,
        profile: Profile = NO_PROFILE,
        secret: Secret = NO_SECRET,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._profiles, self._profile, self._secret, self._now = profiles, profile, secret, now
        self._watch: Watch | None = None
        self._changing_user = asyncio.Lock()
        self.chat: ChatClient | None = None

    async def on_mount(self) -> None:
        """Show the login screen, and begin to log in if the profile is complete."""
        profile = self._profile
        saved = self._profiles.all()
        await self.push_screen(LoginScreen(saved, profile))
        if profile.server and profile.app_id and profile.uid:
            self.begin(profile, self._secret)

    async def on_unmount(self) -> None:
        """Close the client. The session and unsent messages stay on the device."""
        await self._end()

    async def _end(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        chat, self.chat = self.chat, None
        if chat is not None:
            await chat.aclose()

    def on_login_screen_login_requested(self, event: LoginScreen.LoginRequested) -> None:
        """Begin to log in with what the user entered or chose."""
        self.begin(event.profile, event.secret)

    def begin(self, profile: Profile, secret: Secret) -> None:
        """Begin to log in, in a worker, once an earlier user is logged out. Ignored while another login runs.

        Afterwards the worker shows the chat, or the reason of a failure on the login screen.
        """
        if isinstance(self.screen, LoginScreen):
            self.screen.show_progress()
        if not any(worker.group == "begin" and not worker.is_finished for worker in self.workers):
            self.run_worker(self._begin(profile, secret), group="begin")

    async def _begin(self, profile: Profile, secret: Secret) -> None:
        async with self._changing_user:
            await self._open_chat(profile, secret)

    async def _open_chat(self, profile: Profile, secret: Secret) -> None:
        builder = AppSettingsBuilder().override_client_host(profile.server)
        settings = builder.subscribe_presence_for_all_users().keep_unsent_messages().build()
        try:
            store = self._profiles.session_store(profile)
        except OSError as e:
            self._show_failure(f"Not logged in. {error_text(e)}")
            return
        chat = ChatClient(profile.app_id, settings, session_store=store)
        try:
            conversations = await self._prepare(chat, store, profile, secret)
        except CometChatException as e:
            reason = self._reason_text(e)
        except TimeoutError:
            advice = f"Check the address and that the server runs: `tailwire doctor {safe_line(profile.server)}`."
            reason = f"The server does not answer. {advice}"
        except (OSError, ValueError) as e:
            reason = error_text(e)
        else:
            self.chat = chat
            self._watch = watch(chat, self)
            await self.switch_screen(ChatScreen(chat, conversations, server=profile.server, now=self._now))
            return
        self._show_failure(f"Not logged in. {reason}")

    async def _prepare(
        self, chat: ChatClient, store: FileSessionStore, profile: Profile, secret: Secret
    ) -> LiveConversations:
        # Closes the client if it cannot be used, or the worker is cancelled: an open one keeps the session locked.
        saved = None
        try:
            await chat.init()
            restored = chat.get_logged_in_user()
            if restored is None or restored.uid == profile.uid:
                saved = store.load(profile.app_id)
            async with asyncio.timeout(LOGIN_TIMEOUT_SECONDS):
                await self._log_in(chat, profile, secret)
            conversations = await chat.live_conversations(page_size=50)
            self._profiles.use(profile)
        except BaseException:
            user = chat.get_logged_in_user()
            await chat.aclose()
            if user is not None and user.uid != profile.uid:  # their session has replaced that of the profile
                if saved is None:
                    store.clear(profile.app_id)
                else:
                    store.save(profile.app_id, saved)
            raise
        return conversations

    async def _log_in(self, chat: ChatClient, profile: Profile, secret: Secret) -> None:
        user = chat.get_logged_in_user()
        if secret.token:
            user = await chat.login_with_auth_token(secret.token)
        elif user is None and secret.auth_key:
            user = await chat.login(profile.uid, auth_key=secret.auth_key)
        if user is None:
            raise ValueError(f"There is no saved session of {profile.uid}: enter an auth token.")
        if user.uid != profile.uid:  # no logout: it would revoke the token, which others may use
            raise ValueError(f"The token belongs to {user.uid}: enter that user id, or a token of {profile.uid}.")

    def _reason_text(self, error: CometChatException) -> str:
        if error.code == "ERR_CHAT_API_FAILURE" and error.__cause__ is not None:
            return error_text(error.__cause__)
        if error.code == "SESSION_IN_USE":
            return "This profile is open in another terminal: use that one, or close it."
        return error_text(error)

    def _show_failure(self, text: str) -> None:
        if isinstance(self.screen, LoginScreen):
            self.screen.show_failure(text)

    # Commands.

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield the commands of Textual's command palette; those of the chat only while it is shown."""
        yield from super().get_system_commands(screen)
        chat = next((s for s in self.screen_stack if isinstance(s, ChatScreen)), None)
        if chat is None:
            return
        yield SystemCommand("Jump", "To a conversation, user or group (ctrl+k)", partial(chat.action_window, "jump"))
        yield SystemCommand("Search", "In the open conversation (ctrl+f)", partial(chat.action_window, "search"))
        yield SystemCommand("Send a file", "To the open conversation (ctrl+o)", partial(chat.action_window, "upload"))
        yield SystemCommand("Next unread", "The next unread conversation (alt+a)", chat.action_next_unread)
        yield SystemCommand("Connection", "Why it has its current state (F2)", partial(chat.action_window, "why"))
        yield SystemCommand("Chat keys", "All keys of the chat (F1)", partial(chat.action_window, "keys"))
        yield SystemCommand("Log out", "End the session on this device", self.log_out)

    def log_out(self) -> None:
        """Begin to log out, in a worker: it ends the session and shows the login screen.

        If the server cannot be reached or refuses, the chat stays open and shows the error.
        """
        self.run_worker(self._log_out())

    async def _log_out(self) -> None:
        async with self._changing_user:
            await self._close_chat()

    async def _close_chat(self) -> None:
        chat = self.chat
        if chat is None:
            return
        try:
            await chat.logout()
        except CometChatException as e:
            self.notify(error_text(e), severity="error", markup=False)
            return
        await self.switch_screen(LoginScreen(self._profiles.all(), self._profile))
        await self._end()
