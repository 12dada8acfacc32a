"""The caller whose request is being served, so that scarce resources can be shared fairly."""

from __future__ import annotations

from contextvars import ContextVar

current_caller: ContextVar[str] = ContextVar("current_caller", default="")
"""A uid, one of a few names for API keys, or "" for the server itself. Set when a request is authenticated."""
