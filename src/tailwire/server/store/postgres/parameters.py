"""Translates the parameters of the shared statements, `:name` and `?`, to those of PostgreSQL, `$1`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tailwire.server.store.sql.connection import Parameters

# A text in quotes, a cast, or a parameter.
_PARAMETER = re.compile(r"'(?:[^']|'')*'|::|:([A-Za-z_][A-Za-z_0-9]*)|\?")


@lru_cache(maxsize=4096)
def translate(sql: str) -> tuple[str, tuple[str, ...]]:
    """Translate a statement to parameters of the form `$1`.

    Returns:
        The statement, and the names that `$1`, `$2` and so on stand for; no names if it uses `?`.

    Raises:
        ValueError: the statement uses both `:name` and `?`.
    """
    names: dict[str, int] = {}
    marks = 0

    def replace(found: re.Match[str]) -> str:
        nonlocal marks
        token, name = found.group(0), found.group(1)
        if name:
            return f"${names.setdefault(name, len(names) + 1)}"
        if token == "?":
            marks += 1
            return f"${marks}"
        return token

    text = _PARAMETER.sub(replace, sql)
    if names and marks:
        raise ValueError(f"a statement has either named parameters or ?: {sql}")
    return text, tuple(names)


def statement_and_values(sql: str, parameters: Parameters) -> tuple[str, list[Any]]:
    """Return a statement for PostgreSQL, and its values in the order of `$1`, `$2` and so on.

    Raises:
        ValueError: the statement uses both `:name` and `?`.
    """
    text, names = translate(sql)
    if isinstance(parameters, Mapping):
        return text, [parameters[name] for name in names]
    return text, list(parameters)
