"""Settings in the audit log."""

from __future__ import annotations

import pytest

from tailwire.server.app.observing import changed_settings
from tailwire.server.config import Settings


@pytest.mark.parametrize("password", ["secret", "se:cr@et", ""])
def test_password_of_the_database_is_not_recorded(password: str):
    recorded = changed_settings(Settings(database=f"postgresql://tailwire:{password}@db.example.com/tailwire", port=1))
    assert recorded == "port=1, database=postgresql://tailwire:…@db.example.com/tailwire"


def test_other_settings_are_recorded_as_they_are():
    settings = Settings(public_url="https://chat.example.com:8443/a@b", database="postgresql://db.example.com/x")
    assert changed_settings(settings) == (
        "database=postgresql://db.example.com/x, public_url=https://chat.example.com:8443/a@b"
    )
