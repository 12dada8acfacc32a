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
"""The chat plays files, and starts its service worker through a policy that knows one address."""


def is_shown(setting: str, settings: Settings) -> bool:
    """Return whether the server shows a page.

    Args:
        setting: the value of the page's own setting: "on", "off", or "auto" to show it if the server is local.
        settings: all settings of the server.
    """
    return setting == "on" or (setting == "auto" and is_local(settings))


def pages_of(
    settings: Settings, api: App, console: ConsoleSessions, audit: AuditLog, users: Sessions, app_id: str
) -> dict[str, Page]:
    """Return the pages by their names.

    Args:
        console: the sessions of the console.
        users: logs demo users in.
    """
    pages = {}
    if is_shown(settings.console, settings):
        routes = ConsoleRequests(api, console, audit).routes()
        pages["console"] = Page(read_page("console"), routes=routes)
    if is_shown(settings.chat, settings):
        demo = DEMO_USERS if settings.demo_users and is_local(settings) else {}
        pages["chat"] = Page(read_page("chat"), CHAT_POLICY, ChatRequests(users, app_id, demo).routes())
    return pages
