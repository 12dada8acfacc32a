"""Settings as the audit log records them."""

from __future__ import annotations

import pytest

from tailwire.server.app.observing import changed_settings
from tailwire.server.config import Settings


@pytest.mark.parametrize(
    ("setting", "url", "shown"),
    [
        ("database", "postgresql://tw:secret@db/tw", "postgresql://tw@db/tw"),
        ("database", "postgresql://tw@db/tw?password=secret&sslmode=require", "postgresql://tw@db/tw?password=***&sslmode=require"),
        ("database", "postgresql:///tw?host=/run&password=secret", "postgresql:///tw?host=/run&password=***"),
        ("database", "postgresql://tw@db/tw", "postgresql://tw@db/tw"),
        ("database", "sqlite:///data/tw.db", "sqlite:///data/tw.db"),
        ("database", "postgresql:///tw?sslpassword=secret", "postgresql:///tw?sslpassword=***"),
        ("broker", "nats://tw:secret@a:1,b:2", "nats://tw@a:1,b:2"),
        ("broker", "tls://secret@a", "tls://***@a"),
        ("broker", "nats://secret@a:1,nats://secret@b:2", "nats://***@a:1,nats://***@b:2"),
        ("broker", "nats://secret@a:1,secret@b", "nats://***@a:1,***@b"),
        ("broker", "nats://user:secret@a,nats://user:secret@b", "nats://user@a,nats://user@b"),
        ("broker", "nats://user:secret,more@a", "nats://***,***@a"),
        ("broker", "nats://a:4222,b", "nats://a:4222,b"),
        ("broker", "nats://a", "nats://a"),
    ],
)  # fmt: skip
def test_changed_settings_are_recorded_without_the_passwords_in_urls(setting: str, url: str, shown: str):
    recorded = changed_settings(Settings(**{setting: url}))
    assert recorded == f"{setting}={shown}"
    assert "secret" not in recorded
