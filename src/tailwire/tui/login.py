"""The login screen: choose a saved profile, or enter a server, an app id, a user id and an auth token."""

from __future__ import annotations

import os
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Button, Input, Label, OptionList, Static

from tailwire.tui.profiles import Profile
from tailwire.tui.safe_text import safe_line

TOKEN_VARIABLE = "TAILWIRE_TOKEN"
KEY_VARIABLE = "TAILWIRE_AUTH_KEY"


class Secret(NamedTuple):
    """What proves who the user is: an auth token, or on a development server the app's auth key.

    If both are set, the token is used. Both are "" if a saved session is to be used.
    """

    token: str = ""
    auth_key: str = ""


def secret_from_environment() -> Secret:
    """Return the secret from the environment variables `TAILWIRE_TOKEN` and `TAILWIRE_AUTH_KEY`; "" if not set."""
    return Secret(os.environ.get(TOKEN_VARIABLE, ""), os.environ.get(KEY_VARIABLE, ""))


class LoginScreen(Screen[None]):
    """The login screen. It posts `LoginRequested`; the app logs in and reports with `show_failure`.

    Args:
        profiles: the saved profiles, to choose from.
        draft: what the fields contain at first; any part of it may be "".
    """

    CSS = """
    LoginScreen { align: center middle; }
    LoginScreen VerticalScroll { width: 60; max-width: 96%; height: auto; max-height: 100%; padding: 0 2;
        border: round $primary; border-title-color: $text; }
    LoginScreen OptionList { height: auto; max-height: 6; border: none; padding: 0; background: $background; }
    LoginScreen Label { color: $text-muted; margin-top: 1; }
    LoginScreen Input { border: none; height: 1; padding: 0 1; background: $surface; }
    LoginScreen Button { width: 100%; margin-top: 1; }
    LoginScreen #problem { color: $error; height: auto; margin-top: 1; display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    class LoginRequested(Message):
        """The user wants to log in with a profile. The secret is empty if they gave no token (saved session)."""

        def __init__(self, profile: Profile, secret: Secret) -> None:
            super().__init__()
            self.profile, self.secret = profile, secret

    def __init__(self, profiles: list[Profile], draft: Profile) -> None:
        super().__init__()
        self._profiles, self._draft = profiles, draft

    def compose(self) -> ComposeResult:
        """Yield the profiles and the fields."""
        with VerticalScroll() as box:
            box.border_title = "tailwire chat"
            if self._profiles:
                yield Label("Saved profiles", markup=False)
                yield OptionList(*[safe_line(p.title) for p in self._profiles], markup=False)
            yield Label("Server", markup=False)
            yield Input(self._draft.server, placeholder="https://chat.example.com", id="server")
            yield Label("App id", markup=False)
            yield Input(self._draft.app_id, id="app_id")
            yield Label("User id", markup=False)
            yield Input(self._draft.uid, id="uid")
            yield Label("Auth token", markup=False)
            yield Input(password=True, placeholder="tailwire token create UID makes one", id="token")
            yield Static(id="problem", markup=False)
            yield Button("Log in", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Focus the list of saved profiles; if there is none or some fields are filled, focus the first empty field."""
        draft = self._draft
        if self._profiles and not (draft.server or draft.app_id or draft.uid):
            self.query_one(OptionList).focus()
        else:
            self._focus_first_empty()

    def _focus_first_empty(self) -> None:
        fields = (self.query_one(f"#{name}", Input) for name in ("server", "app_id", "uid"))
        next((field for field in fields if not field.value), self.query_one("#token", Input)).focus()

    def show_progress(self) -> None:
        """Show that the login is in progress, and disable the button."""
        button = self.query_one(Button)
        button.label, button.disabled = "Logging in …", True

    def show_failure(self, text: str) -> None:
        """Show why the login failed, and enable the button again; "" only hides an earlier reason."""
        problem = self.query_one("#problem", Static)
        problem.update(text)
        problem.display = bool(text)
        button = self.query_one(Button)
        button.label, button.disabled = "Log in", False
        if text and isinstance(self.focused, OptionList):  # there, Enter would open a saved profile
            self._focus_first_empty()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Fill in the fields with the saved profile, and request a login with its saved session."""
        chosen = self._profiles[event.option_index]
        for name in ("server", "app_id", "uid"):
            self.query_one(f"#{name}", Input).value = getattr(chosen, name)
        self._request_login(chosen, Secret())

    def on_input_submitted(self) -> None:
        """Request a login with the fields, or show which one is empty."""
        self._log_in()

    def on_button_pressed(self) -> None:
        """Request a login with the fields, or show which one is empty."""
        self._log_in()

    def _log_in(self) -> None:
        values = {name: self.query_one(f"#{name}", Input).value.strip() for name in ("server", "app_id", "uid")}
        token = self.query_one("#token", Input).value.strip()
        names = {"server": "the server's address", "app_id": "the app id", "uid": "the user id"}
        missing = next((words for name, words in names.items() if not values[name]), "")
        if missing:
            self.show_failure(f"Fill in {missing}.")
            return
        self._request_login(Profile(**values), Secret(token=token) if token else Secret())

    def _request_login(self, profile: Profile, secret: Secret) -> None:
        self.show_failure("")
        self.post_message(self.LoginRequested(profile, secret))
