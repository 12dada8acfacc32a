"""The metadata that all tables belong to, and the types of their columns."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, MetaData, String, Text
from sqlalchemy.types import TypeEngine

metadata = MetaData()
Id = BigInteger().with_variant(Integer, "sqlite")


def short_text(length: int) -> TypeEngine[str]:
    """Return the column type of a short text.

    Args:
        length: the highest number of characters, for the reader of the schema: no database checks it.
    """
    return String(length).with_variant(Text(), "postgresql")
