"""Mutants that no test can notice, each with the reason: they are not tried, and not counted."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutants.mutate import Mutated, mutate, statements

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("equivalents.toml")


class Equivalent(NamedTuple):
    """A mutant that does what the code does.

    Attributes:
        module: its file, below `src/tailwire`.
        scope, before, after: as for `Mutated`.
    """

    module: str
    scope: str
    before: str
    after: str


def equivalents() -> dict[Equivalent, str]:
    """Return the reason of each equivalent mutant."""
    table = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        Equivalent(module, entry.get("scope", ""), entry["before"], entry["after"]): entry["reason"]
        for module, entries in table.items()
        for entry in entries
    }


def of(module: str, mutated: Mutated) -> Equivalent:
    """Return the key of a mutant in the table."""
    return Equivalent(module, mutated.scope, mutated.before, mutated.after)


def stale() -> Iterator[Equivalent]:
    """Yield entries for which the code no longer has a mutant."""
    table = equivalents()
    for module in {entry.module for entry in table}:
        path = ROOT / "src/tailwire" / module
        source = path.read_text(encoding="utf-8") if path.exists() else ""
        entries = [entry for entry in table if entry.module == module]
        mutated = {(entry.scope, entry.before) for entry in entries}
        there = {of(module, mutate(source, mutant)) for mutant, *place in statements(source) if tuple(place) in mutated}
        yield from (entry for entry in entries if entry not in there)
