"""Brings an empty PostgreSQL database to the schema of this version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tailwire.server.store.migrate import upgrade


def prepare(url: str) -> None:
    """Run the migrations, in a thread of their own because a test's loop may be running."""
    with ThreadPoolExecutor(1) as executor:
        executor.submit(upgrade, url).result()
