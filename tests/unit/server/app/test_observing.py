"""What is recorded of the settings."""

from __future__ import annotations

import pytest

from tailwire.server.app.observing import changed_settings
from tailwire.server.config import load


@pytest.mark.parametrize(
    ("database", "shown"),
    [
        ("postgresql://chat:s3cret@db.example.com/chat", "postgresql://chat@db.example.com/chat"),
        (
            "postgresql://chat:s3%40cret@[::1]:5432/chat?sslmode=require",
            "postgresql://chat@[::1]:5432/chat?sslmode=require",
        ),
        (
            "postgresql://chat@/chat?host=/run/pg&password=s3cret&user=x",
            "postgresql://chat@/chat?host=/run/pg&password=***&user=x",
        ),
        ("postgresql:///chat?sslpassword=s3cret", "postgresql:///chat?sslpassword=***"),
        ("sqlite:///some/file.db", "sqlite:///some/file.db"),
    ],
)
def test_password_of_a_database_is_not_recorded(database: str, shown: str):
    recorded = changed_settings(load({"database": database}, {}))
    assert recorded == f"database={shown}"
