"""Check the prose of clean rooms: docstrings, comments, names of tests, and pages say things in plain words.

A room is a folder or a file. Those in `CLEAN` stay clean; the others are shown with `--all`, and by their paths:
`python scripts/check_words.py src/tailwire/sync`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("src/tailwire", "tests", "scripts", "examples", "benchmarks", "docs", "README.md", "CONTRIBUTING.md")
CLEAN = [
    "docs/backend.md",
    "docs/connection-states.md",
    "docs/project/releasing.md",
    "scripts/check_coverage.py",
    "scripts/check_distribution.py",
    "scripts/check_public_types.py",
    "scripts/check_references.py",
    "scripts/evidence.py",
    "scripts/make_api_reference.py",
    "scripts/public_face.py",
    "tests/unit/test_prose_checks.py",
    "tests/spec/test_acknowledged_events.py",
    "tests/spec/test_an_older_copy_put_back.py",
    "tests/spec/test_as_documented.py",
    "tests/spec/test_bots.py",
    "tests/spec/test_chapters.py",
    "tests/spec/test_continuity.py",
    "tests/spec/test_data_folder.py",
    "tests/spec/test_deadlines.py",
    "tests/spec/test_deleting_people.py",
    "tests/spec/test_edits.py",
    "tests/spec/test_errors_and_log.py",
    "tests/spec/test_extensions.py",
    "tests/spec/test_gate.py",
    "tests/spec/test_gateways.py",
    "tests/spec/test_growing_drafts.py",
    "tests/spec/test_hostile_networks.py",
    "tests/spec/test_life.py",
    "tests/spec/test_limits.py",
    "tests/spec/test_live_list_calls.py",
    "tests/spec/test_live_lists_in_a_crowd.py",
    "tests/spec/test_login_and_listeners.py",
    "tests/spec/test_modes.py",
    "tests/spec/test_one_session_one_client.py",
    "tests/spec/test_other_operations.py",
    "tests/spec/test_orderly_close.py",
    "tests/spec/test_outbox.py",
    "tests/spec/test_pages_of_what_was_missed.py",
    "tests/spec/test_permissions.py",
    "tests/spec/test_polling.py",
    "tests/spec/test_secrets_stay_secret.py",
    "tests/spec/test_strangers.py",
    "tests/spec/test_time.py",
    "tests/spec/test_tokens.py",
    "tests/spec/test_transitions_as_they_happen.py",
    "tests/spec/test_under_load.py",
    "tests/spec/test_uploads.py",
    "tests/spec/test_what_users_write.py",
    "tests/spec/test_who_may_see_what.py",
    "tests/spec/test_without_leftovers.py",
    "tests/unit/test_docs.py",
    "tests/unit/test_evidence.py",
    "tests/unit/test_house.py",
    "tests/unit/test_public_face.py",
    "tests/unit/test_security_page.py",
]
SKIPPED = ("node_modules", "page", "wheels", "recordings", "reference")  # docs/reference is generated

# What is not written, and what is written in its place.
PLAIN = [
    (r"\b[Aa]nswers (?:whether|if)\b", "Return True if"),
    (r"\b(?:is|are|was|were|be|been) told\b", "is notified, receives, is passed"),
    (r"\bhears? (?:of|no|nothing)\b", "receives, is notified"),
    (r"\bby heart\b", "cached, in memory"),
    (r"\bin vain\b", "without success"),
    (r"\bat the (?:most|longest|latest)\b", "at most"),
    (r"\bat the (?:least|earliest)\b", "at least"),
    (r"\bof (?:which|whom)\b", "whose, its; or name it again"),
    (r"\b(?:is|are|was|were|be) none\b", "does not exist, is not one"),
    (r"(?<!there )(?<!There )\b(?:is|are|was|were) no (?!longer|more|less|other|one)\w+", "is not a"),
    (r"\b[Ss]omebody\b", "a user, a client"),
    (r"\b[Ww]hether or not\b", "whether"),
    (r"\b[Ss]o many\b", "that many; or give the number"),
    (r"\b[Tt]hat which\b", "what"),
    (r"\bbut for\b", "except"),
    (r"\bno more\b(?! than)", "no longer"),
    (r"\b(?:what|that) is much\b", "large"),
    (r"\b[Gg]oodbyes?\b", "close, closing frame"),
    (r"\b(?:herd|breathes?|breathing|deeds?|witness(?:es)?)\b", "the plain word"),
    (r"\b(?:[Ss]he|[Hh]ers?|[Hh]erself)\b", "they, their"),
    (r"\b[Nn]ot any more\b", "no longer"),
    (r"\bDesign page\b", "Read more: docs/…"),
    (r"\btest_(?:who|whoever|whose|of|nor|neither|what|whatever|that|in_vain)_", "name the subject first"),
]
_PATTERNS = [(re.compile(pattern), plain) for pattern, plain in PLAIN]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of prose of a file with their numbers: of a page all, of a module docstrings, comments, test names."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from enumerate(node.value.value.splitlines(), node.lineno)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name


def files(rooms: list[str]) -> Iterator[Path]:
    """Yield the modules and pages of some rooms."""
    for room in rooms:
        place = ROOT / room
        if not place.exists():
            raise SystemExit(f"words: there is no {room}; mend the list of rooms")
        found = [place] if place.is_file() else [*place.rglob("*.py"), *place.rglob("*.md")]
        yield from sorted(f for f in found if not set(SKIPPED) & set(f.relative_to(ROOT).parts))


def problems(path: Path) -> list[str]:
    """Return what to reword in a file."""
    if path == Path(__file__).resolve():
        return []  # it quotes what it forbids
    name = path.relative_to(ROOT)
    found = [
        (number, f"{name}:{number}: {match[0]!r}: {plain}")
        for number, line in prose(path)
        for pattern, plain in _PATTERNS
        for match in pattern.finditer(line)
    ]
    return [text for _, text in sorted(found)]


def main() -> int:
    """Check the clean rooms; or what the arguments name."""
    rooms = list(ROOMS) if "--all" in sys.argv else sys.argv[1:] or CLEAN
    found = [problem for path in files(rooms) for problem in problems(path)]
    print("\n".join(found) or f"words: {len(rooms)} rooms are clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
