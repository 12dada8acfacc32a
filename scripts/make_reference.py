"""Write docs/reference/: each error code, and each documented row next to ours, with a test that shows it.

The rows are read from the code: the server's operations, the client's methods, the catalogue, and which tests call
what. A test fails if a page is outdated, or a row has no test.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import evidence
from documented import CALLBACKS, CONSTANTS, FRAMES, JAVASCRIPT, JS_CALLBACKS, LEFT_OUT, LIMITS, SDK
from evidence import Evidence

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
TESTS = ROOT / "tests"
sys.path.insert(0, str(TESTS))
SOURCE = ROOT / "src" / "tailwire"


def snake(name: str) -> str:
    """Convert a documented name to Python style."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def showing(does: Callable[[Evidence], bool], folders: Iterable[str] = evidence.FOLDERS) -> str:
    """Return the first test for which `does` is true; "" if there is none."""
    return next((name for name, done in evidence.tests_within(folders) if does(done)), "")


def calling(*names: str) -> Callable[[Evidence], bool]:
    """Return a condition that is true for a test that calls one of these methods."""
    return lambda done: not done.calls.isdisjoint(names)


def cell(test: str) -> str:
    """Return a test as a cell of a table."""
    return f"`{test}`" if test else "**none**"


def errors_page() -> str:
    """Return the page of error codes: status, origin, what to do."""
    from tailwire.server.rules import permissions
    from tailwire.wire.catalogue import CATALOGUE

    tables = {
        "GROUPS": permissions._GROUPS,
        "MESSAGES": permissions._MESSAGES,
        "USERS": permissions._USERS,
        "KEYS": permissions._KEYS,
    }
    lines = [
        "# Errors", "",
        "Made by `make reference`. The server responds with `{\"error\": {\"code\", \"message\", \"details\"}}`; the SDK raises",
        "`CometChatException` with the same. `details` says what to do, by field if a field is invalid.", "",
        "| code | HTTP | what went wrong | what to do | comes from |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    sources = {p: p.read_text(encoding="utf-8") for p in SOURCE.rglob("*.py") if p.name != "catalogue.py"}
    for code, entry in sorted(CATALOGUE.items()):
        homes = sorted(str(p.relative_to(SOURCE)).removesuffix(".py") for p, t in sources.items() if f'"{code}"' in t)
        homes += [
            f"server/rules/permissions ({n})" for n, t in tables.items() if any(code in r.values() for r in t.values())
        ]
        status = str(entry.status) if entry.status else "SDK"
        lines.append(f"| `{code}` | {status} | {entry.message} | {entry.details} | {', '.join(homes[:3])} |")
    return "\n".join(lines) + "\n"


def compatibility_page() -> str:
    """Return the page that compares row by row: documented or observed, ours, and the test."""
    lines = [(PAGES / "compatibility.head.md").read_text(encoding="utf-8").rstrip(), ""]
    lines += versions()
    lines += ["## The JavaScript SDK, unchanged", "", "| method or builder | test |", "| --- | --- |"]
    for name in JAVASCRIPT:
        test = showing(lambda done, name=name: name in done.javascript, ["interop/test_javascript_sdk.py"])
        lines.append(f"| `{name}` | {cell(test)} |")
    lines += ["", "| callback | test |", "| --- | --- |"]
    for name in JS_CALLBACKS:
        test = showing(lambda done, name=name: name in done.awaited, ["interop/test_javascript_sdk.py"])
        lines.append(f"| `{name}` | {cell(test)} |")
    lines += ["", "## Frames", "", "| frame | test |", "| --- | --- |"]
    lines += [f"| {what} | {cell(test if test in evidence.tests() else '')} |" for what, test in FRAMES.items()]
    lines += ["", "## The React UI kit, unchanged", "", "| what | test |", "| --- | --- |"]
    for name in evidence.tests():
        if name.startswith("interop/test_react"):
            kit = "6.5.6" if "kit_6" in name else "7.2.1"
            lines.append(f"| {kit}: {name.partition('::test_')[2].replace('_', ' ')} | {cell(name)} |")
    lines += [
        "",
        "## The REST API and the client API",
        "",
        "| operation | what it does | test |",
        "| --- | --- | --- |",
    ]
    served = [(f"{method} {path}", summary) for method, path, summary in operations()]
    fixed = frozenset(operation for operation, _ in served if "{" not in operation)
    for operation, summary in served:
        lines.append(f"| `{operation}` | {summary} | {cell(operation_test(operation, fixed))} |")
    lines += ["", "## The Python SDK compared with the documented one", ""]
    lines += ["| chapter | documented | ours | test |", "| --- | --- | --- | --- |"]
    from tailwire import ChatClient

    for chapter, names in SDK.items():
        for name in names.split():
            documented, _, ours = name.partition(">")
            ours = ours or snake(documented)
            if not inspect.isroutine(getattr(ChatClient, ours, None)):
                raise SystemExit(f"there is no ChatClient.{ours}")
            lines.append(f"| {chapter} | `{documented}` | `{ours}` | {cell(method_test(ours))} |")
    helper = "update_message_with_reaction_info"
    lines.append(
        f"| Helper | `updateMessageWithReactionInfo` | `{helper}` | {cell(showing(lambda done: helper in done.names))} |"
    )
    for builder, ours in builder_methods():
        lines.append(f"| Builders | `{builder}` | `{ours}` | {cell(builder_test(builder, ours))} |")
    for documented, noted in CALLBACKS.items():
        test = showing(lambda done, noted=noted: noted in done.awaited)
        lines.append(f"| Callbacks | `{documented}` | `{snake(documented)}` | {cell(test)} |")
    from tailwire.server.config import Settings

    lines += ["", "## Limits", "", "| documented | setting | default | test |", "| --- | --- | --- | --- |"]
    limits = (TESTS / "spec" / "test_limits.py").read_text(encoding="utf-8")
    for documented, (settings, test) in LIMITS.items():
        for name in settings.split():
            home = f"spec/test_limits.py::test_{test}"
            shown = home if home in evidence.tests() and f"{name}=" in limits else ""
            lines.append(f"| {documented} | `{name}` | {getattr(Settings(), name):,} | {cell(shown)} |")
    lines += ["", "## Constants", "", "| documented | ours | values |", "| --- | --- | --- |"]
    for documented, (ours, values) in CONSTANTS.items():
        lines.append(f"| {documented} | `{ours}` | {' '.join(f'`{v}`' for v in values.split())} |")
    lines += ["", "## Left out, and why", "", "| what | why |", "| --- | --- |"]
    lines += [f"| {what} | {why} |" for what, why in LEFT_OUT.items()]
    return "\n".join(lines) + "\n"


def versions() -> list[str]:
    """Return the versions of the JavaScript SDK that the scenarios run on, and what each lacks."""
    from interop.versions import MISSING, PACKAGES, UNABLE, VERSIONS, versions_for

    scenarios = [n.partition("::")[2] for n in evidence.tests() if n.startswith("interop/test_javascript_sdk.py::")]
    lines = ["## Versions of the JavaScript SDK", "", "| version | scenarios | what it does not have, or do |"]
    lines += ["| --- | --- | --- |"]
    for version in VERSIONS:
        ran = sum(version in versions_for(test) for test in scenarios)
        lacking = [", ".join(f"`{name}`" for name in sorted(MISSING[version])), *UNABLE.get(version, {}).values()]
        lines.append(f"| `{PACKAGES[version]}` | {ran} of {len(scenarios)} | {'; '.join(t for t in lacking if t)} |")
    return [*lines, ""]


def method_test(ours: str) -> str:
    """Return a test that calls a method of the client, or has the stage call it by the kind of a listener."""
    if ours.endswith("_listener"):
        return showing(calling(ours)) or showing(calling("listen"))
    return showing(calling(ours))


def builder_methods() -> list[tuple[str, str]]:
    """Return the public methods of each request builder except `build`, by the class that defines them."""
    import tailwire
    from tailwire.sdk.calls.message_requests import MessagesRequestBuilder

    found: dict[tuple[str, str], None] = {}
    named = [n for n in sorted(tailwire.__all__) if n.endswith("RequestBuilder") and n != "MessagesRequestBuilder"]
    for kind in (MessagesRequestBuilder, *(getattr(tailwire, n) for n in named)):
        for home in kind.__mro__:
            shown = kind if home.__name__ == "_Filters" else home
            for name, member in vars(home).items():
                if inspect.isroutine(member) and not name.startswith("_") and name != "build":
                    found["each of a list" if shown.__name__ == "_Builder" else shown.__name__, name] = None
    return list(found)


def builder_test(builder: str, method: str) -> str:
    """Return a test that uses a method of a builder."""
    import tailwire

    lists = {name for name in tailwire.__all__ if name.endswith("RequestBuilder")}
    named = {builder} if builder != "each of a list" else lists
    return showing(lambda done: method in done.calls and not named.isdisjoint(done.names))


def operations() -> list[tuple[str, str, str]]:
    """Return the server's operations, as in its OpenAPI description."""
    import asyncio
    import tempfile

    from tailwire.server.app import assemble
    from tailwire.server.config import Settings
    from tailwire.server.ports.world import World

    async def listed() -> list[tuple[str, str, str]]:
        with tempfile.TemporaryDirectory() as folder:
            parts = await assemble(Settings(data=folder), World())
            found = parts.api.operations
            await parts.webhooks.close()
            await parts.store.close()
            return sorted((o.path, o.method, o.summary) for o in found)

    return [(method, path, summary) for path, method, summary in asyncio.run(listed())]


def operation_test(operation: str, fixed: frozenset[str]) -> str:
    """Return a test that requests an operation and expects its success: over HTTP, or by a method of the SDK."""
    from tailwire import ChatClient

    covered = showing(lambda done: evidence.asks(operation, done.requests, fixed))
    methods = [
        name
        for name, requests in evidence.sdk_requests().items()
        if hasattr(ChatClient, name) and evidence.asks(operation, requests, fixed)
    ]
    return covered or showing(calling(*methods))


def pages() -> dict[Path, str]:
    """Return all pages."""
    return {PAGES / "errors.md": errors_page(), PAGES / "compatibility.md": compatibility_page()}


def main() -> int:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        missing = text.count("**none**")
        print(
            f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines"
            + (f", {missing} rows without a test" if missing else "")
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
