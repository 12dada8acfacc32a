"""The pages that a server shows: the console, the web chat, both, or neither."""

from __future__ import annotations

from tailwire.server.actions.audit import AuditLog
from tailwire.server.actions.sessions import Sessions
from tailwire.server.app.assembly import is_local
from tailwire.server.config import Settings
from tailwire.server.web.chat import ChatRequests
from tailwire.server.web.console import ConsoleRequests
from tailwire.server.web.front import App, Page
from tailwire.server.web.page_files import read_page
from tailwire.server.web.sessions import ConsoleSessions

DEMO_USERS = {"alice": "Alice", "bob": "Bob", "carol": "Carol"}
CHAT_POLICY = {"media-src": "'self'", "trusted-types": "chat-worker"}
"""Directives that the web chat needs besides `front.POLICY`: to play media of this server, and to start its service
worker through the Trusted Types policy `chat-worker`.
"""


def is_shown(setting: str, settings: Settings) -> bool:
    """Return whether the server shows a page.

    Args:
        setting: the value of the page's own setting: "on", "off", or "auto" to show it only if no other machine can
            reach the server (`is_local`).
        settings: all settings of the server.
    """
    return setting == "on" or (setting == "auto" and is_local(settings))


def pages_of(
    settings: Settings, api: App, console: ConsoleSessions, audit: AuditLog, users: Sessions, app_id: str
) -> dict[str, Page]:
    """Return the pages that the server shows, by their names: "console" and "chat".

    Args:
        api: the ASGI app to which the console's page passes its requests.
        console: the links and sessions of the console.
        audit: records who signs in to the console.
        users: creates auth tokens for demo users of the chat.
        app_id: the id of the app that the chat is for.
    """
    pages = {}
    if is_shown(settings.console, settings):
        routes = ConsoleRequests(api, console, audit).routes()
        pages["console"] = Page(read_page("console"), routes=routes)
    if is_shown(settings.chat, settings):
        demo = DEMO_USERS if settings.demo_users and is_local(settings) else {}
        pages["chat"] = Page(read_page("chat"), CHAT_POLICY, ChatRequests(users, app_id, demo).routes())
    return pages
