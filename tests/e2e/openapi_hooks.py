"""Hooks for the OpenAPI test: existing names, so that successful responses are checked as well."""

from __future__ import annotations

import schemathesis

NAMES = {"uid": "bob", "guid": "team", "id": "1", "reaction": "x", "role": "default"}


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Use existing names where they are known."""
    return {name: NAMES.get(name, value) for name, value in (path_parameters or {}).items()}
