"""Write docs/reference/rest*.md: each REST operation with its parameters, body, answer and errors (`make reference`)."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import generated_pages
import page_links

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
METHODS = ("get", "head", "post", "put", "patch", "delete")
NOT_FOUND = {
    "uid": "ERR_UID_NOT_FOUND", "guid": "ERR_GUID_NOT_FOUND", "role": "ERR_ROLE_NOT_FOUND",
    "webhook": "ERR_WEBHOOK_NOT_FOUND", "delivery": "ERR_DELIVERY_NOT_FOUND", "key": "ERR_APIKEY_NOT_FOUND",
    "conversation": "ERR_CONVERSATION_NOT_FOUND",
}  # fmt: skip
"""The error code when a parameter of the path names nothing that exists; for `id` it depends on the page."""
OBJECTS = "rest-objects.md"


@dataclass(frozen=True)
class Page:
    """A page of operations.

    Attributes:
        file: its name.
        title: its heading.
        tags: first words of the paths of its operations; () for the operations that no other page has.
        of_id: the code when `{id}` of a path names nothing.
    """

    file: str
    title: str
    tags: tuple[str, ...]
    of_id: str = ""


LAYOUT = (
    Page("rest-users.md", "REST: users", ("users", "me", "friends", "blockedusers", "user_sessions", "ping")),
    Page("rest-groups.md", "REST: groups", ("groups",)),
    Page(
        "rest-messages.md",
        "REST: messages, conversations and files",
        ("messages", "conversations", "threads", "files", "moderation"),
        "ERR_MESSAGE_ID_NOT_FOUND",
    ),
    Page("rest-webhooks.md", "REST: webhooks", ("webhooks",), "ERR_WEBHOOK_NOT_FOUND"),
    Page("rest-administration.md", "REST: roles, keys, audit log and health", ()),
)
HEAD = """# REST API

Made by `make reference` from the description that each server has at `/openapi.json`; at `/docs` you can try it.

- **Address.** Paths are under `/v3`: `http://127.0.0.1:8480/v3/users`. `/v3.0` is the same.
- **Caller.** Headers `authtoken` and `appid` (the id of the app) for a user; `apikey` for a backend, with `onBehalfOf` to
  act for a user. The table of [callers and rights](../server.md#callers-and-rights) says what each may do.
- **Body.** JSON, with `content-type: application/json`.
- **Answer.** `{"data": …}`, for lists with `meta` (`meta.pagination`, or `meta.next` to read on).
- **Refusal.** `{"error": {"code", "message", "details"}}`; [all codes](errors.md). Any operation may be refused with
  `ERR_BAD_REQUEST` (a field is invalid; `details` names it), with `ERR_TOO_MANY_REQUESTS` or `ERR_UNAVAILABLE` (try again
  after `Retry-After`), and with an `AUTH_ERR_…` code if it needs a caller. What is listed with an operation is in addition;
  the rights of the caller ([the table](../server.md#callers-and-rights)) may refuse it too.

| operation | what it does |
| --- | --- |
"""


def description() -> dict[str, Any]:
    """Return the server's OpenAPI document."""
    from tailwire.server.app import assemble
    from tailwire.server.config import Settings
    from tailwire.server.ports.world import World
    from tailwire.server.rest.openapi import document

    async def made() -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            parts = await assemble(Settings(data=folder), World())
            found = list(parts.api.operations)
            await parts.webhooks.close()
            await parts.store.close()
            return document(found, "")

    return asyncio.run(made())


def page_of(path: str) -> Page:
    """Return the page of an operation."""
    tag = path.split("/")[1]
    return next(page for page in LAYOUT if tag in page.tags or not page.tags)


def kind(schema: dict[str, Any]) -> str:
    """Return the type of a schema as the pages show it."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}]({OBJECTS}#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(one)}`" for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}))}"
    limits = [
        text
        for name, text in (
            ("minimum", "from {}"), ("maximum", "to {}"), ("maxLength", "at most {} characters"), ("pattern", "`{}`"),
        )
        if name in schema
        for text in [text.format(str(schema[name]).replace("|", "\\|"))]
    ]  # fmt: skip
    return " ".join([str(schema.get("type", "any value")), *(["(" + " ".join(limits) + ")"] if limits else [])])


def description_of(schema: dict[str, Any]) -> str:
    """Return the description of a field for a cell of a table."""
    return " ".join(str(schema.get("description", "")).split()).replace("|", "\\|")


def fields(schema: dict[str, Any]) -> list[str]:
    """Return the table of an object's fields."""
    needed = set(schema.get("required", ()))
    lines = ["| field | type | meaning |", "| --- | --- | --- |"]
    for name, field in schema.get("properties", {}).items():
        notes = " ".join(t for t in ("Required." if name in needed else "", description_of(field)) if t)
        lines.append(f"| `{name}` | {kind(field)} | {notes} |")
    return [*lines, ""]


def callers(operation: dict[str, Any]) -> str:
    """Return who may call an operation."""
    names = {next(iter(one)) for one in operation["security"]}
    acts = any(p["name"] == "onBehalfOf" for p in operation["parameters"])
    if not names:
        return "Anyone may call it."
    if names == {"pass"}:
        return "Needs a pass (`jwt` of `PUT /me`) in the header `authorization`."
    if acts:
        return "Needs an `authtoken`, or an `apikey` (with `onBehalfOf` to act for a user)."
    return "Needs an `apikey`." if "authToken" not in names else "Needs an `authtoken` or an `apikey`."


def entry(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> list[str]:
    """Return what the page says about an operation."""
    lines = [f"## {method.upper()} {path}", "", f"{operation['summary']}. {callers(operation)}", ""]
    parameters = [p for p in operation["parameters"] if p["in"] != "header"]
    if parameters:
        lines += ["| parameter | in | type | meaning |", "| --- | --- | --- | --- |"]
        lines += [f"| `{p['name']}` | {p['in']} | {kind(p['schema'])} | {description_of(p)} |" for p in parameters] + [
            ""
        ]
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        schema = content["application/json"]["schema"]
        body = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        lines += [f"Body{' (JSON, or a form with files)' if len(content) > 1 else ''}:", ""]
        lines += fields(body) if body.get("properties") else [kind(schema) + ".", ""]
    elif content:
        lines += ["Body: a form (`multipart/form-data`).", ""]
    success = operation["responses"]["200"].get("content", {})
    if "schema" in success.get("application/json", {}):
        data = success["application/json"]["schema"]["properties"]["data"]
        lines += [f"Answer: `data` is {kind(data)}.", ""]
    elif success:
        lines += [f"Answer: `{next(iter(success))}`.", ""]
    others = {s: r["description"] for s, r in operation["responses"].items() if s != "200" and "content" not in r}
    lines += [f"Status {status}: {text}" + ("" if text.endswith(".") else ".") for status, text in others.items()]
    lines += [""] if others else []
    codes = [NOT_FOUND.get(name, page_of(path).of_id if name == "id" else "") for name in re.findall(r"{(\w+)}", path)]
    codes = list(dict.fromkeys(code for code in codes if code))
    if codes:
        lines += [f"Errors: {', '.join(f'[`{code}`](errors.md)' for code in codes)}.", ""]
    return lines


def objects_page(schemas: dict[str, Any]) -> str:
    """Return the page of the objects that bodies and answers consist of."""
    lines = [
        "# REST: objects",
        "",
        "Made by `make reference`. What bodies and answers of the [REST API](rest.md) contain.",
        "",
    ]
    for name, schema in sorted(schemas.items()):
        lines += [f"## {name}", ""]
        lines += [description_of(schema), ""] if schema.get("description") else []
        lines += fields(schema) if schema.get("properties") else [kind(schema) + ".", ""]
        for example in schema.get("examples", ()):
            lines += ["```json", json.dumps(example, indent=2, ensure_ascii=False), "```", ""]
    return "\n".join(lines).rstrip() + "\n"


def pages() -> dict[Path, str]:
    """Return all pages by their paths."""
    document = description()
    schemas = document["components"]["schemas"]
    texts: dict[str, list[str]] = {
        page.file: [f"# {page.title}", "", "Made by `make reference`. How to call, and what any operation may answer: [REST API](rest.md).", ""]
        for page in LAYOUT
    }  # fmt: skip
    index: list[str] = []
    for path, methods in sorted(document["paths"].items()):
        for method in METHODS:
            if method in methods:
                page = page_of(path)
                texts[page.file] += entry(path, method, methods[method], schemas)
                anchor = page_links.slug(f"{method} {path}")
                summary = methods[method]["summary"]
                index.append(f"| [`{method.upper()} {path}`]({page.file}#{anchor}) | {summary} |")
    found = {PAGES / file: "\n".join(lines).rstrip() + "\n" for file, lines in texts.items()}
    found[PAGES / "rest.md"] = HEAD + "\n".join(index) + "\n"
    found[PAGES / OBJECTS] = objects_page(schemas)
    return found


def main() -> int:
    """Write the pages."""
    generated_pages.write(pages())
    return 0


if __name__ == "__main__":
    sys.exit(main())
