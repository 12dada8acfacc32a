"""The caller whose request is being served, so that scarce resources can be shared fairly."""

from __future__ import annotations

from contextvars import ContextVar

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""Names the caller whose request is being served. Set when a request is authenticated.

It is a uid; for a request with an API key one of a few texts by turns, as if it came from one of a few users; or "" for
work of the server itself.
"""
