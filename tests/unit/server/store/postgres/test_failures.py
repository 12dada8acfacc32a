"""What a failure of a batch means: to try again, on the same connection or another one, or to give up."""

from __future__ import annotations

import asyncpg
import pytest

from tailwire.server.store.postgres.failures import ANOTHER_DATABASE, DECLARED_DEAD, Failure, classify


class StateError(asyncpg.PostgresError):
    def __init__(self, state: str | None) -> None:
        super().__init__("as planned")
        self.sqlstate = state


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (DECLARED_DEAD, Failure.DEAD), (ANOTHER_DATABASE, Failure.ANOTHER),
        ("40001", Failure.BUSY), ("40P01", Failure.BUSY), ("55P03", Failure.BUSY),
        ("57P01", Failure.LOST), ("57014", Failure.LOST), ("08006", Failure.LOST), ("25P03", Failure.LOST),
        ("53300", Failure.LOST), ("53100", Failure.UNABLE), ("58030", Failure.UNABLE), ("XX001", Failure.UNABLE),
        ("25006", Failure.UNABLE), ("3D000", Failure.UNABLE), ("28P01", Failure.UNABLE), ("42501", Failure.UNABLE),
        ("42P01", Failure.UNABLE), ("42883", Failure.UNABLE),
        ("23505", Failure.ENTRY), ("22021", Failure.ENTRY), ("42601", Failure.ENTRY), (None, Failure.ENTRY),
    ],
)  # fmt: skip
def test_sqlstate_decides_what_becomes_of_a_failed_batch(state, kind):
    assert classify(StateError(state)) is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError(), Failure.LOST), (ConnectionResetError(), Failure.LOST),
        (asyncpg.InterfaceError("closed"), Failure.LOST), (asyncpg.DataError("no text"), Failure.ENTRY),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "half a pair"), Failure.ENTRY), (TypeError(), Failure.ENTRY),
    ],
)  # fmt: skip
def test_error_of_the_driver_is_a_lost_connection_unless_a_value_is_at_fault(error, kind):
    assert classify(error) is kind
