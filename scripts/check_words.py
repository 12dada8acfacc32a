"""Check the prose of the repository: docstrings, comments, names and pages use plain words.

Arguments restrict the check to some folders or files: `python scripts/check_words.py src/tailwire/sync`.
"""

from __future__ import annotations

import ast
import functools
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = [
    "src",
    "tests",
    "docs",
    "scripts",
    "benchmarks",
    "examples",
    "deploy",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
SKIPPED = ("node_modules", "page", "wheels", "recordings")

# Patterns of words that are not allowed, and what to write in their place.
PLAIN = [
    (r"\b[Aa]nswers (?:whether|if)\b", "Return True if"),
    (r"\b(?:is|are|was|were|be|been)(?: not| never)? told\b(?! (?:to|apart)\b)", "is notified, receives, is passed"),
    (r"\bhears? (?:of|no|nothing)\b", "receives, is notified"),
    (r"\bby heart\b", "cached, in memory"),
    (r"\bin vain\b", "without success"),
    (r"\bat the (?:most|longest|latest(?! message))\b", "at most"),
    (r"\bat the (?:least|earliest)\b", "at least"),
    (r"\bof (?:which|whom)\b", "whose, its; or name it again"),
    (r"(?<!there )(?<!There )\b(?:is|are|was|were|be) none\b", "does not exist, is not one"),
    (r"(?<!there )(?<!There )\b(?:is|are|was|were) no (?!longer|more|less|other|one|larger)\w+", "is not a"),
    (r"\b[Ss]omebody\b", "a user, a client"),
    (r"\b[Ww]hether or not\b", "whether"),
    (r"\b[Ss]o many\b", "that many; or give the number"),
    (r"\b[Tt]hat which\b", "what"),
    (r"\bbut for\b", "except"),
    (r"\bno more\b(?! than)(?! \w+s\b)", "no longer"),
    (r"\b(?:what|that) is much\b", "large"),
    (r"\b[Gg]oodbyes?\b", "close, closing frame"),
    (r"\b(?:herd|breathes?|breathing|deeds?|witness(?:es)?)\b", "the plain word"),
    (r"\b(?:[Ss]he|[Hh]ers?|[Hh]erself)\b", "they, their"),
    (r"\b[Aa]ny more\b(?! than\b)", "no longer"),
    (r"\bsomething in between\b", "an intermediary"),
    (r"\bcame (?:or|and) went\b", "came online or went offline"),
    (r"\blook(?:s|ed)? at (?:a |the |stored )?messages?\b", "examine"),
    (r"\ball the same\b", "nevertheless, still"),
    (r"\banew\b", "again"),
    (r"\bfor ever\b", "forever, without limit"),
    (r"\bbeside\b", "alongside (what runs), next to (what lies there), in addition to"),
    (r"\bin the place of\b", "in place of"),
    (r"\bunder way\b", "in progress, pending"),
    (r"\b[Ww]hoever\b", "anyone who; or name them"),
    (r"\bharms? (?:nobody|nothing|no)\b", "does not affect others"),
    (r"\bDesign page\b", "Read more: docs/…"),
    (r"\b[Uu]p to which id\b", "the id up to which"),
    (
        r"\btest_(?:who|whoever|whose|of|nor|neither|what|whatever|that|in_vain|its|how|one_s|one_that|also)_",
        "name the subject first",
    ),
]
# Patterns that no docstring may begin with, and what to write in their place.
OPENINGS = [
    (r"(?:Note|Take not(?:e|ice)) ", "Record"),
    (r"(?:Its|Their) ", "name the subject: a docstring is read without the name of its function"),
    (r"(?:After|With|Within) [^.:(]*: [a-z]", "begin with what is done, then say when"),
]
# Names of functions, parameters and local variables that say what happened to a thing, and not what it is.
VAGUE_NAMES = ("told", "said", "asked", "given", "deed")
# What a function whose name begins with `is_` may return.
YES_OR_NO = ("bool", "Missing")
_ANY = re.compile("|".join(f"(?:{pattern})" for pattern, _ in PLAIN), re.MULTILINE)
_PATTERNS, _OPENINGS = ([(re.compile(pattern), plain) for pattern, plain in table] for table in (PLAIN, OPENINGS))


@functools.lru_cache(maxsize=1)  # each check of a module needs them
def nodes(text: str) -> list[ast.AST]:
    """Return all nodes of a module."""
    return list(ast.walk(ast.parse(text)))


def openings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the first lines of a module's docstrings with line numbers."""
    if path.suffix != ".py":
        return
    for node in nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text.splitlines()[0]


def prose(path: Path, *, suspicious: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the prose of a file with line numbers: a page's lines; a module's docstrings, comments and test names.

    Args:
        suspicious: leave out the comments of a module if none of them contains what `PLAIN` forbids.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield from enumerate(text.splitlines(), 1)
        return
    # Splitting a module into tokens, to find its comments, takes most of the time.
    if not suspicious or _ANY.search("\n".join(line[line.index("#") :] for line in text.splitlines() if "#" in line)):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string
    for node in nodes(text):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield from enumerate(node.value.value.splitlines(), node.lineno)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name
            yield node.lineno, node.name.removeprefix("test_").replace("_", " ")  # the same words as in a sentence


def vague_names(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the vague names that a module binds, with line numbers. Imported names do not count."""
    if path.suffix != ".py":
        return
    for node in nodes(path.read_text(encoding="utf-8")):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        else:
            continue
        if name in VAGUE_NAMES:
            yield node.lineno, name


def misnamed_predicates(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the names of a module's functions that promise a yes or no (`is_…`) and return something else."""
    if path.suffix != ".py":
        return
    for node in nodes(path.read_text(encoding="utf-8")):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.returns is None:
            continue
        if node.name.lstrip("_").startswith("is_") and ast.unparse(node.returns) not in YES_OR_NO:
            yield node.lineno, node.name


def files(rooms: list[str]) -> Iterator[Path]:
    """Yield the modules and pages of some folders and files."""
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
        for number, line in prose(path, suspicious=True)
        if _ANY.search(line)
        for pattern, plain in _PATTERNS
        for match in pattern.finditer(line)
    ]
    found += [
        (number, f"{name}:{number}: {match[0]!r}: {plain}")
        for number, line in openings(path)
        for pattern, plain in _OPENINGS
        if (match := pattern.match(line))
    ]
    found += [
        (number, f"{name}:{number}: {vague!r}: name what it holds or does") for number, vague in vague_names(path)
    ]
    found += [
        (number, f"{name}:{number}: {misnamed!r} returns no yes or no: name what it does or returns")
        for number, misnamed in misnamed_predicates(path)
    ]
    return [text for _, text in sorted(found)]


def main() -> int:
    """Check everything, or what the arguments name."""
    rooms = sys.argv[1:] or ROOMS
    found = [problem for path in files(rooms) for problem in problems(path)]
    print("\n".join(found) or "words: all plain")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
