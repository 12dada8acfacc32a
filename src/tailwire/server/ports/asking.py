"""The user whose request is being served, so that scarce resources can be shared fairly."""

from __future__ import annotations

from contextvars import ContextVar

asking: ContextVar[str] = ContextVar("asking", default="")
"""The uid of the caller; "" for the server itself. Set where a request is authenticated."""
