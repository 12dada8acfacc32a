"""The caller whose request is being served, so that scarce resources can be shared fairly."""

from __future__ import annotations

from contextvars import ContextVar

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""Names the caller whose request is being served. Set when a request is authenticated.

It is a uid, or "" for work of the server itself. For a request with an API key it is one of a few texts, each time
another one, so that a backend gets the share of several users.
"""
