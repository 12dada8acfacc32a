"""Measurements that are taken with SQL."""

from __future__ import annotations

from tailwire.server.store.sql.connection import Connection


async def uploaded_bytes(connection: Connection) -> int:
    """Return the size of all uploaded files in bytes, without thumbnails."""
    ((size,),) = await connection.long_rows("SELECT coalesce(sum(size), 0) FROM files")
    return int(size)
