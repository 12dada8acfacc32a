"""Texts that were begun in the web chat and not sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import page_modules

IMPORTS = 'import { Unsent } from "./unsent.js";'


def run(tmp_path: Path, code: str) -> Any:
    return page_modules.run(tmp_path, "chat", IMPORTS, f"const unsent = new Unsent();{code}")


def test_each_conversation_and_thread_has_a_text_of_its_own(tmp_path):
    texts = run(
        tmp_path,
        """
        unsent.keep("to bob", "user:bob");
        unsent.keep("in a thread", "user:bob", "7");
        unsent.keep("sent", "group:trains");
        unsent.keep("", "group:trains");
        const kept = [unsent.of("user:bob"), unsent.of("user:bob", "7"), unsent.of("group:trains"), unsent.of("user:carol")];
        unsent.forget();
        return [...kept, unsent.of("user:bob")];""",
    )
    assert texts == ["to bob", "in a thread", "", "", ""]


def test_oldest_of_too_many_texts_is_dropped(tmp_path):
    texts = run(
        tmp_path,
        """
        for (let n = 0; n < 100; n += 1) unsent.keep(`text ${n}`, `user:${n}`);
        unsent.keep("written again", "user:0");
        unsent.keep("one more", "user:100");
        return ["user:0", "user:1", "user:2", "user:100"].map((key) => unsent.of(key));""",
    )
    assert texts == ["written again", "", "text 2", "one more"]
