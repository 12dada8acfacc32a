"""Tells what each setting means, and whether its value came from an argument, a variable or the file."""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tailwire.server.config import Settings

DEFAULT_SOURCE = "default"
MEANING_PATTERN = r"^        (\w+): (.*?)(?=\n        \w+:|\n    $|\Z)"  # entries below "Attributes:"


@cache
def meanings() -> dict[str, str]:
    """Return the description of each setting by its name, from the docstring of `Settings`, without Markdown."""
    found = re.findall(MEANING_PATTERN, Settings.__doc__ or "", re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()).replace("`", "").rstrip(".") for name, text in found}


def sources(
    arguments: Mapping[str, Any], file: str = "", environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return where `config.load` finds the value of each setting, by the name of the setting.

    Args:
        arguments, file, environment: as for `config.load`. They must be valid.

    Returns:
        For each setting that is set: the option (`--NAME`), the environment variable, or the path of the file. Settings
        with their default are left out.
    """
    names = {field.name for field in dataclasses.fields(Settings)}
    found: dict[str, str] = {}
    if file:
        found |= dict.fromkeys(tomllib.loads(Path(file).read_text(encoding="utf-8")), file)
    for key in os.environ if environment is None else environment:
        if key.startswith("TAILWIRE_") and key.removeprefix("TAILWIRE_").lower() in names:
            found[key.removeprefix("TAILWIRE_").lower()] = key
    return found | {k: "--" + k.replace("_", "-") for k, v in arguments.items() if v is not None and k in names}
