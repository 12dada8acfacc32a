"""The base of all types of responses."""

from __future__ import annotations

import msgspec

Timestamp = int
"""Seconds since 1970."""


class Shape(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """The base of all types of responses. Fields that have their default value are omitted from the JSON."""
