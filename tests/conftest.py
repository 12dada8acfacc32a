"""Marks and fixtures for all tests."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast ones first."""
    order = ["unit", "explore", "contract", "spec", "property", "e2e", "examples"]

    def rank(item: pytest.Item) -> tuple[int, int]:
        folder = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        return (1 if item.get_closest_marker("slow") else 0, order.index(folder) if folder in order else len(order))

    items.sort(key=rank)
