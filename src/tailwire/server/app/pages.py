"""The pages that a server shows: none, or the console."""

from __future__ import annotations

from tailwire.server.actions.audit import AuditLog
from tailwire.server.app.assembly import is_local
from tailwire.server.config import Settings
from tailwire.server.web.console import ConsoleRequests
from tailwire.server.web.front import App, Page
from tailwire.server.web.page_files import read_page
from tailwire.server.web.sessions import ConsoleSessions


def shows_pages(settings: Settings) -> bool:
    """Return whether the server shows its pages."""
    return settings.console == "on" or (settings.console == "auto" and is_local(settings))


def pages_of(settings: Settings, api: App, sessions: ConsoleSessions, audit: AuditLog) -> dict[str, Page]:
    """Return the pages by their names."""
    if not shows_pages(settings):
        return {}
    routes = ConsoleRequests(api, sessions, audit).routes()
    return {"console": Page(read_page("console"), routes=routes)}
