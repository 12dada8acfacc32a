"""Planting of faults: a replacement has the parameters of what it replaces, so that a test finds the fault and no TypeError."""

from __future__ import annotations

import inspect
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest


def _call_shape(function: Callable[..., Any]) -> tuple[bool, list[tuple[str, Any, Any]]]:
    parameters = inspect.signature(function).parameters.values()
    return inspect.iscoroutinefunction(function), [(p.name, p.kind, p.default) for p in parameters]


def require_same_signature(original: Any, replacement: Any) -> None:
    """Raise AssertionError if a function would be replaced by one that cannot be called in the same way."""
    if inspect.isfunction(original):
        assert callable(replacement), f"{original.__qualname__} is replaced by {replacement!r}"
        assert _call_shape(original) == _call_shape(replacement), (
            f"{original.__qualname__}{inspect.signature(original)} is replaced by {inspect.signature(replacement)}"
        )


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with a part of it replaced. A part that is not there would plant nothing: raise AssertionError."""
    assert old in text, f"{old!r} is not in {text!r}"
    return text.replace(old, new)


class Planter:
    """A monkeypatch that compares the signatures of functions."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def setattr(self, target: object, name: str, value: Any) -> None:
        """Replace an attribute until the test ends."""
        require_same_signature(getattr(target, name), value)
        self._patch.setattr(target, name, value)

    def setitem(self, mapping: MutableMapping[Any, Any], key: Any, value: Any) -> None:
        """Replace an entry until the test ends."""
        require_same_signature(mapping[key], value)
        self._patch.setitem(mapping, key, value)
