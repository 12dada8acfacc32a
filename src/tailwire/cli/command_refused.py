"""The error of commands that refuse to do what would probably do harm."""

from __future__ import annotations


class CommandRefused(Exception):
    """A command refuses, and has changed nothing. The text says why, and what to do."""
