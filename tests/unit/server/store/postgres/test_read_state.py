"""The bounds of receipts, which the SQL function of receipts has as well."""

from __future__ import annotations

import re
from pathlib import Path

from tailwire.server.store.postgres import read_state
from tailwire.server.store.sql.read_state import MAX_SCANNED_MESSAGES, MAX_TIMED_MESSAGES


def test_sql_function_of_receipts_reads_at_most_as_many_messages_as_the_statements():
    function = Path(read_state.__file__).with_name("receipts_1.sql").read_text(encoding="utf-8")
    assert re.findall(r"ORDER BY id DESC LIMIT (\d+)", function) == [
        str(MAX_TIMED_MESSAGES), str(MAX_SCANNED_MESSAGES),
    ]  # fmt: skip
