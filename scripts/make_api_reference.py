"""Write docs/reference/api*.md: every public class, function and type with its signature and docstring (`make reference`)."""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import griffe

import generated_pages
import public_face

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
HEAD = "Made by `make reference` from the docstrings.\n"
CALLBACKS = ("on_success", "on_error")


@dataclass(frozen=True)
class Page:
    """A page of the reference.

    Attributes:
        file: its name.
        title: its heading.
        intro: what it is about, and where to read more.
        homes: prefixes of the paths of the objects that it describes; the first page with a matching prefix has the
            object.
    """

    file: str
    title: str
    intro: str
    homes: tuple[str, ...]


LAYOUT = (
    Page(
        "api-sync.md", "Blocking client", "`tailwire.sync`; see [the page on threads](../sync.md).", ("tailwire.sync.",)
    ),
    Page("api-bots.md", "Bots", "`tailwire.bot`; see [the page on bots](../bots.md).", ("tailwire.bot.",)),
    Page(
        "api-backend.md",
        "Backend client and webhooks",
        "`tailwire.admin`; see [the page on backends](../backend.md).",
        ("tailwire.admin.",),
    ),
    Page(
        "api-testing.md",
        "Testing",
        "`tailwire.testing`; the pytest fixtures are on [the page on testing](../testing.md).",
        ("tailwire.testing.", "tailwire.sdk.io.world."),
    ),
    Page(
        "api-apps.md",
        "Toolkits and platforms",
        "What tells a client of the app's state and of the network; see [the page on apps](../apps.md).",
        ("tailwire.adapters.",),
    ),
    Page(
        "api-events.md",
        "Events, listeners and live lists",
        "Events come from `chat.events()`, callbacks from listeners; see [live lists](../live-lists.md).",
        ("tailwire.sdk.listeners.", "tailwire.sdk.live.", "tailwire.sdk.continuity."),
    ),
    Page(
        "api-requests.md",
        "Lists and their builders",
        "A builder makes a request; each call of the request fetches the next page.",
        (
            "tailwire.sdk.calls.list_requests.",
            "tailwire.sdk.calls.message_requests.",
            "tailwire.sdk.calls.reaction_requests.",
        ),
    ),
    Page(
        "api-models.md",
        "Messages, users, groups and constants",
        "What calls take and return, and CometChat's constants.",
        ("tailwire.wire.", "tailwire.sdk.outbox.", "tailwire.sdk.calls.upload", "tailwire.sdk.reaction_counts."),
    ),
    Page(
        "api-client.md", "Client", "`ChatClient` and what it is made with; see [the guide](../sdk.md).", ("tailwire.",)
    ),
)


def anchor(public: str) -> str:
    """Return the anchor of the heading of a public object."""
    return re.sub(r"[^\w-]", "", public.lower())


def shown_name(public: str) -> str:
    """Return a public path as a heading shows it: the root's names without `tailwire.`."""
    return public.removeprefix("tailwire.")


def page_of(home: str, public: str) -> Page:
    """Return the page that describes an object."""
    return next(page for page in LAYOUT if any(f"{place}.".startswith(page.homes) for place in (public, home)))


def placed() -> dict[Page, list[tuple[str, str]]]:
    """Return the public names of each page, with where each is defined."""
    found: dict[Page, list[tuple[str, str]]] = {page: [] for page in LAYOUT}
    for public, home in public_face.public_names().items():
        found[page_of(home, public)].append((shown_name(public), home))
    return {page: sorted(names, key=lambda pair: pair[0].lower()) for page, names in found.items()}


def parameter(one: griffe.Parameter) -> str:
    """Return a parameter as a signature shows it."""
    text = {"variadic positional": "*", "variadic keyword": "**"}.get(str(one.kind and one.kind.value), "") + one.name
    if one.annotation is not None:
        text += f": {one.annotation}"
    if one.default is not None and not text.startswith("*"):
        text += f" = {one.default}" if one.annotation is not None else f"={one.default}"
    return text


def signature(name: str, function: griffe.Function) -> str:
    """Return the signature of a function or method, without `self` and the callbacks of `CometChat`."""
    parts, keywords = [], False
    for one in function.parameters:
        if one.name in ("self", "cls", *CALLBACKS):
            continue
        if one.kind is griffe.ParameterKind.keyword_only and not keywords:
            parts.append("*")
            keywords = True
        keywords = keywords or one.kind is griffe.ParameterKind.var_positional
        parts.append(parameter(one))
    result = function.returns
    if CALLBACKS[1] in function.parameters and function.overloads:
        result = function.overloads[0].returns  # without `on_error` the result is not None
    returns = f" -> {result}" if result is not None and str(result) != "None" else ""
    prefix = "await " if "async" in function.labels else ""
    line = f"{prefix}{name}({', '.join(parts)}){returns}"
    if len(line) > 110:
        line = f"{prefix}{name}(\n    " + ",\n    ".join(parts) + f",\n){returns}"
    return line


def prose(thing: griffe.Object) -> list[str]:
    """Return the docstring of an object in Markdown."""
    if thing.docstring is None:
        return []
    lines: list[str] = []
    for section in thing.docstring.parse("google"):
        kind = section.kind.value
        if kind == "text":
            lines += [section.value.strip(), ""]
        elif kind in ("parameters", "attributes", "raises", "returns", "yields"):
            lines += [f"{'arguments' if kind == 'parameters' else kind}:".capitalize(), ""]
            for item in section.value:
                name = getattr(item, "name", "") if kind in ("parameters", "attributes") else ""
                if kind == "raises":
                    name = str(item.annotation)
                if name.endswith(","):  # several names with one description: griffe takes the others for a type
                    name = "`, `".join([name[:-1], *str(item.annotation).strip("()").split(", ")])
                text = " ".join(str(item.description).split())
                lines.append(f"- `{name}`: {text}" if name else f"- {text}")
            lines.append("")
        elif kind == "examples":
            for _, text in section.value:
                lines += [text.strip(), ""]
        else:  # an admonition: a paragraph with a title
            lines += [f"{section.title or kind}: {getattr(section.value, 'description', section.value)}", ""]
    return lines


def method(owner: str, thing: griffe.Object) -> list[str]:
    """Return what the page says about a member of a class."""
    if isinstance(thing, griffe.Function):
        name = owner if thing.name == "__init__" else thing.name
        heading = "" if thing.name == "__init__" else f"#### {owner}.{thing.name}"
        return [*([heading, ""] if heading else []), "```python", signature(name, thing), "```", "", *prose(thing)]
    typed = f": {thing.annotation}" if getattr(thing, "annotation", None) is not None else ""
    return [f"#### {owner}.{thing.name}", "", "```python", f"{thing.name}{typed}", "```", "", *prose(thing)]


def is_field(thing: griffe.Attribute) -> bool:
    """Return True for an attribute that the body of a class declares: a value, or a field with or without a default."""
    if "class-attribute" in thing.labels:
        return thing.annotation is not None or thing.value is not None
    return thing.annotation is not None and "dataclass" in (thing.parent.labels if thing.parent else ())


def required(owner: griffe.Class) -> list[str]:
    """Return a sentence on the arguments that the constructor of a dataclass requires, if it requires any."""
    constructor = owner.all_members.get("__init__")
    if "dataclass" not in owner.labels or owner.name in public_face.HANDED_OUT:
        return []
    assert isinstance(constructor, griffe.Function)
    needed = [one for one in constructor.parameters if one.name != "self" and one.default is None]
    if not needed:
        return []
    keywords = all(one.kind is griffe.ParameterKind.keyword_only for one in needed)
    listed = ", ".join(f"`{one.name}`" for one in needed)
    return [f"The constructor requires {listed}{'; it takes all fields by keyword only' if keywords else ''}.", ""]


def class_lines(public: str, owner: griffe.Class) -> list[str]:
    """Return what the page says about a class: its fields or values, then its methods."""
    name = public.rpartition(".")[2]
    lines, later, fields = prose(owner), [], []
    for thing in public_face.public_members(owner):
        if isinstance(thing, griffe.Attribute) and "property" not in thing.labels:
            if thing.docstring is not None:
                later.append(thing)
            elif is_field(thing):
                typed = f": {thing.annotation}" if thing.annotation is not None else ""
                fields.append(f"{thing.name}{typed}" + (f" = {thing.value}" if thing.value is not None else ""))
        elif thing.name == "__init__" and public_face.written_out(thing):
            lines += method(name, thing)
        elif not thing.name.startswith("_"):
            later.append(thing)
    if fields:
        lines += ["```python", *fields, "```", "", *required(owner)]
    for thing in later:
        lines += method(name, thing)
    return lines


def entry(public: str, home: str) -> list[str]:
    """Return what the page says about a public object."""
    thing = public_face.find(home)
    lines = [f"### {public}", ""]
    first = shown_name(public_face.exported()[home])
    if first != public:
        return [*lines, f"Another name of `{first}`.", ""]
    if isinstance(thing, griffe.Class):
        return lines + class_lines(public, thing)
    if isinstance(thing, griffe.Function):
        return [*lines, "```python", signature(public.rpartition(".")[2], thing), "```", "", *prose(thing)]
    value = getattr(thing, "value", None)
    return [*lines, "```python", f"{public.rpartition('.')[2]} = {value}", "```", "", *prose(thing)]


def triggers() -> list[str]:
    """Return the table of the triggers of webhooks."""
    from tailwire.server.rules.triggers import TRIGGERS

    lines = ["## Triggers", "", "What a webhook can be called for; the page on webhooks shows the body of each.", ""]
    lines += ["| trigger | called when |", "| --- | --- |"]
    return [
        *lines,
        *(f"| [`{name}`](../webhooks.md#{name}) | {description} |" for name, description in TRIGGERS.items()),
        "",
    ]


def pages() -> dict[Path, str]:
    """Return all pages by their paths."""
    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    found: dict[Path, str] = {}
    index = [
        "# API reference",
        "",
        HEAD,
        "Async methods of `CometChat` also take `on_success` and `on_error`, two callbacks in",
    ]
    index += ["place of the result and the exception; they are left out here.", ""]
    for page, names in reversed(placed().items()):
        links = [f"[`{public}`]({page.file}#{anchor(public)})" for public, _ in names]
        index += [f"## {page.title}", "", page.intro, "", ", ".join(links), ""]
        lines = [f"# {page.title}", "", HEAD, page.intro, ""]
        for public, home in names:
            lines += entry(public, home)
        if page.file == "api-backend.md":
            lines += triggers()
        found[PAGES / page.file] = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
    found[PAGES / "api.md"] = "\n".join(index).rstrip() + "\n"
    return found


def main() -> int:
    """Write the pages."""
    generated_pages.write(pages())
    return 0


if __name__ == "__main__":
    sys.exit(main())
