"""The status of each error code is the one that its page names."""

from __future__ import annotations

import re
from pathlib import Path

from tailwire.wire.catalogue import CATALOGUE

PAGE = Path(__file__).parents[3] / "docs/reference/errors.md"
ROW = re.compile(r"^\| `([A-Za-z_]+)` \| (SDK|[0-9]{3}) \|", re.MULTILINE)


def test_each_code_has_the_status_that_the_page_names():
    statuses = {code: 0 if status == "SDK" else int(status) for code, status in ROW.findall(PAGE.read_text("utf-8"))}
    assert statuses == {code: entry.status for code, entry in CATALOGUE.items()}
