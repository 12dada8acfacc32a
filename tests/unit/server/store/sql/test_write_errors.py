"""Failures of the database: what callers receive, and how long they wait."""

from __future__ import annotations

import pytest

from tailwire.server.store.sql.write_errors import (
    LONG_RETRY_AFTER_SECONDS,
    RETRY_AFTER_SECONDS,
    WriteErrors,
    reason_of,
)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("disk full"), "disk full"),
        (TimeoutError(), "no answer in time"),
        (ConnectionError(), "ConnectionError"),
    ],
)
def test_reason_of_a_write_error_is_its_text_or_else_describes_its_type(error, reason):
    assert reason_of(error) == reason


def test_callers_wait_longer_from_the_second_failure_in_a_row_on():
    errors, failures = WriteErrors(), []
    errors.on_failure(lambda: failures.append(errors.current))
    waits = [errors.record_failure(OSError(text)).retry_after for text in ("full", "still full")]
    assert waits == [RETRY_AFTER_SECONDS, LONG_RETRY_AFTER_SECONDS]
    assert failures == ["full", "still full"]
    errors.record_success()
    assert errors.current == ""
    assert errors.record_failure(OSError("full")).retry_after == RETRY_AFTER_SECONDS


def test_refusal_says_whether_it_is_known_that_nothing_was_stored():
    errors = WriteErrors()
    assert "Nothing was stored" in str(errors.record_failure(OSError("full")).details)
    assert "not known" in str(errors.record_failure(TimeoutError(), unknown=True).details)
