"""The metadata that all tables belong to, and the types of their columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, String, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()
Id = BigInteger().with_variant(Integer, "sqlite")


def short_text(length: int) -> TypeEngine[str]:
    """Return the type of a short text. Lengths are checked where requests come in: no database checks them again."""
    return String(length).with_variant(Text(), "postgresql")
