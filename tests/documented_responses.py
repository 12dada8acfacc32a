"""Compares responses with what the OpenAPI document says about them."""

from __future__ import annotations

import functools
import re
from typing import Any
from urllib.parse import urlsplit

from tailwire.server.rest.openapi import document
from tailwire.server.rest.operations import Operation

OPEN = {"ServerSettings"}
"""Types that have more fields than are documented; their descriptions say so."""
_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict, "array": list,
    "null": type(None),
}  # fmt: skip


class Documented:
    """The document of a server, which finds the operation of a request."""

    def __init__(self, operations: list[Operation]) -> None:
        self._document = document(operations, "")
        self._components: dict[str, Any] = self._document["components"]["schemas"]

    def problems(self, method: str, url: str, response: Any) -> list[str]:
        """Return what a successful response has that the document does not allow, or lacks; [] if it is as documented.

        Args:
            method: the method of the request.
            url: the URL of the request, or its path.
            response: the decoded JSON of the response.
        """
        path = re.sub(r"^/v3(\.0)?", "", urlsplit(url).path)
        found = self._schema(method.lower(), path)
        return [f"{method} {path} is not documented"] if found is None else self._check(found, response, "response")

    @functools.cache  # noqa: B019 (it lives as long as the tests)
    def _schema(self, method: str, path: str) -> Any:
        fits = [
            (template.count("{"), methods[method])
            for template, methods in self._document["paths"].items()
            if method in methods and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path)
        ]
        if not fits:
            return None
        content = min(fits, key=lambda one: one[0])[1]["responses"]["200"].get("content", {})
        return content.get("application/json", {}).get("schema", {})

    def _check(self, schema: dict[str, Any], value: Any, at: str) -> list[str]:
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return self._check({**self._components[name], "open": name in OPEN}, value, f"{at} ({name})")
        if "anyOf" in schema:
            tried = [self._check(one, value, at) for one in schema["anyOf"]]
            return min(tried, key=len)
        kind = schema.get("type")
        if kind is not None and (
            not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind in ("integer", "number"))
        ):
            return [f"{at} is {type(value).__name__} and not {kind}"]
        found = []
        if "enum" in schema and value not in schema["enum"]:
            found.append(f"{at} is {value!r} and none of {schema['enum']}")
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value) if kind == "integer" else False:
            found.append(f"{at} is {value}, which is out of range")
        if kind == "array":
            for n, one in enumerate(value):
                found += self._check(schema.get("items", {}), one, f"{at}[{n}]")
        if kind == "object" and "properties" in schema:
            found += [f"{at} lacks {name}" for name in schema.get("required", ()) if name not in value]
            for name, one in value.items():
                if name in schema["properties"]:
                    found += self._check(schema["properties"][name], one, f"{at}.{name}")
                elif not schema.get("open"):
                    found.append(f"{at}.{name} is not documented")
        elif kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            for name, one in value.items():
                found += self._check(schema["additionalProperties"], one, f"{at}.{name}")
        return found
