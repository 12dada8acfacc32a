"""For whom the server works at the moment, so that what is scarce can be shared among those who ask."""

from __future__ import annotations

from contextvars import ContextVar

asking: ContextVar[str] = ContextVar("asking", default="")
"""The uid of whoever asked; "" for the server itself. Set where a request is authenticated."""
