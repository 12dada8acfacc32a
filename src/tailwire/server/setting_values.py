"""Converts the values of settings, which may be written as text, to the types of the settings."""

from __future__ import annotations

import math
from typing import Any

from tailwire.server.setting_checks import BadSetting

_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def convert(name: str, value: Any, kind: type, source: str) -> Any:
    """Convert a value to the type of its setting.

    Args:
        name: the name of the setting.
        value: the value: text, or already of the right type.
        kind: the type of the setting: `bool`, `int`, `float` or `str`.
        source: where the value came from, for the error message.

    Raises:
        BadSetting: the value cannot be converted; the message names the setting and its source.
    """
    if kind is bool and isinstance(value, str):
        if value.lower() in ("1", "true", "yes", "on"):
            return True
        if value.lower() in ("0", "false", "no", "off", ""):
            return False
        raise BadSetting(f"{source}: {name} must be {_TYPE_NAMES[bool]}, not {value!r}")
    if isinstance(value, bool) is not (kind is bool):
        raise BadSetting(f"{source}: {name} must be {_TYPE_NAMES[kind]}, not {value!r}")
    try:
        found = kind(value)
        if isinstance(found, float) and not math.isfinite(found):
            raise ValueError("not finite")
        if kind is int and isinstance(value, float) and found != value:
            raise ValueError("not whole")
        return found
    except (TypeError, ValueError, OverflowError) as e:
        raise BadSetting(f"{source}: {name} must be {_TYPE_NAMES[kind]}, not {value!r}") from e
