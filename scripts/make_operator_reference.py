"""Write docs/reference/{cli,settings,metrics,webhooks}.md: commands, settings, metrics and triggers of the server (`make reference`)."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import generated_pages

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
KIB = 1024
UNITS = {"retain_messages": "days", "retain_files": "days", "returns_per_second": "per second", "least_rate": "bytes per second"}  # fmt: skip
"""Units of settings that do not follow from their name and type."""


def commands(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Yield each command without subcommands, with its description in the help of its parent."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            descriptions = {one.dest: one.help or "" for one in action._choices_actions}
            for name, child in action.choices.items():
                inner = list(commands(child))
                yield from inner or [(child, descriptions.get(name, ""))]


def argument(action: argparse.Action) -> str:
    """Return an argument as it is written on the command line."""
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"[{shown}]" if action.nargs == "?" else shown
    value = (
        "" if action.nargs == 0 else f" {'{' + ','.join(map(str, action.choices)) + '}' if action.choices else shown}"
    )
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def meaning(action: argparse.Action) -> str:
    """Return what the help says about an argument."""
    text = (action.help or "").replace("%%", "%").replace("%(default)s", str(action.default)).replace("|", "\\|")
    needed = "Required. " if action.option_strings and action.required else ""
    return needed + text[:1].upper() + text[1:]


def cli_page() -> str:
    """Return the page of the commands."""
    from tailwire.cli.main import parser_for

    lines = [
        "# Commands", "",
        "Made by `make reference`. `tailwire COMMAND --help` prints the same. Commands end with 0 on success, 1 when they failed,",
        "and 2 when an argument is invalid.", "",
    ]  # fmt: skip
    for command, description in commands(parser_for([])):
        usage = " ".join(command.format_usage().removeprefix("usage: ").split()).replace(" [-h]", "")
        lines += [
            f"## {command.prog}",
            "",
            description[:1].upper() + description[1:] + ".",
            "",
            "```",
            usage,
            "```",
            "",
        ]
        shown = [a for a in command._actions if not isinstance(a, argparse._HelpAction)]
        if shown:
            lines += ["| argument | meaning |", "| --- | --- |"]
            lines += [f"| `{argument(a)}` | {meaning(a)} |" for a in shown] + [""]
        if command.prog.endswith(" serve"):
            lines += ["Each [setting](settings.md) is an argument too: `--port 8480`.", ""]
    return "\n".join(lines).rstrip() + "\n"


def meanings() -> dict[str, str]:
    """Return what the docstring of the settings says about each setting."""
    from tailwire.server.config import Settings
    from tailwire.server.setting_sources import MEANING_PATTERN

    found = re.findall(MEANING_PATTERN, Settings.__doc__ or "", re.MULTILINE | re.DOTALL)
    return {name: " ".join(text.split()).rstrip(".").replace("|", "\\|") for name, text in found}


def unit(name: str, kind: type, default: Any) -> str:
    """Return the unit of a setting, or its type when it has none."""
    if kind in (bool, str):
        return "yes or no" if kind is bool else "text"
    if name in UNITS:
        return UNITS[name]
    for part, shown in (("_per_minute", "per minute"), ("_per_second", "per second")):
        if name.endswith(part):
            return shown
    if kind is float:
        return "seconds"
    return "bytes" if default and default % KIB == 0 else "number"


def readable(default: Any) -> str:
    """Return a default as it is written, and in larger units when it has many digits."""
    if default == "":
        return ""
    text = f"`{str(default).lower() if isinstance(default, bool) else default}`"
    if isinstance(default, int) and default >= KIB and default % KIB == 0:
        size, names = default, iter(("KiB", "MiB", "GiB"))
        while size % KIB == 0 and size >= KIB:
            size, name = size // KIB, next(names)
        return f"{text} ({size} {name})"
    for seconds, name in ((86_400.0, "days"), (3600.0, "hours")):
        if isinstance(default, float) and default > seconds - 1 and default % seconds == 0:
            return f"{text} ({default / seconds:g} {name if default > seconds else name[:-1]})"
    return text


def settings_page() -> str:
    """Return the page of the settings."""
    from tailwire.server.config import Settings

    kinds, descriptions = get_type_hints(Settings), meanings()
    lines = [
        "# Settings", "",
        "Made by `make reference`. A setting is given as an argument of `tailwire serve`, as an environment variable, or in the TOML",
        "file of `--config` under its name. Arguments take precedence over variables, variables over the file. An unknown name is",
        "an error in the file and a warning in the environment. [The server](../server.md#settings) says more.", "",
        "| name, argument, variable | default | unit | meaning |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for field in dataclasses.fields(Settings):
        name = field.name
        flag = "--" + name.replace("_", "-")
        lines.append(
            f"| `{name}`<br>`{flag}`<br>`TAILWIRE_{name.upper()}` | {readable(field.default)} "
            f"| {unit(name, kinds[name], field.default)} | {descriptions[name]} |"
        )
    return "\n".join(lines) + "\n"


def metrics_page() -> str:
    """Return the page of the metrics."""
    from tailwire.server.telemetry.exposition import _Collector
    from tailwire.server.telemetry.metrics import Metrics, Sizes

    lines = [
        "# Metrics", "",
        "Made by `make reference` from what `GET /metrics` writes, in the format of Prometheus. [Operating the server](../operating.md#metrics)",
        "says what to look at. In addition, on Linux, there are the `process_…` metrics of the process: memory, processor time, descriptors.", "",
        "| metric | type | labels | meaning |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    metrics = Metrics()
    for histogram in metrics.request_seconds.values():
        histogram.observe(0.0)  # families without a value have no labels
    found = []
    for family in _Collector(metrics, Sizes(0, 0, 0, 0), "").collect():
        labels = getattr(family, "_labelnames", ()) or ()
        if not labels and family.samples:
            labels = tuple(sorted({name for s in family.samples for name in s.labels} - {"le"}))
        shown = ", ".join(f"`{one}`" for one in labels if one != "le")
        total = "_total" if family.type == "counter" else ""
        found.append(f"| `{family.name}{total}` | {family.type} | {shown} | {family.documentation} |")
    return "\n".join(lines + sorted(found)) + "\n"


def webhooks_page() -> str:
    """Return the page about webhook triggers."""
    from tailwire.server.rules.triggers import TRIGGERS

    lines = [
        "# Webhook triggers", "",
        "Made by `make reference`. The events that a webhook can be called for; each links to its complete body.",
        "[Receive webhooks](../webhooks.md) says how to create one and verify what it receives, [REST](rest-webhooks.md) has the operations.", "",
        "| trigger | called when |", "| --- | --- |",
    ]  # fmt: skip
    return (
        "\n".join(
            [
                *lines,
                *(f"| [`{name}`](../webhooks.md#{name}) | {description} |" for name, description in TRIGGERS.items()),
            ]
        )
        + "\n"
    )


def pages() -> dict[Path, str]:
    """Return all pages by their paths."""
    return {
        PAGES / "cli.md": cli_page(),
        PAGES / "settings.md": settings_page(),
        PAGES / "metrics.md": metrics_page(),
        PAGES / "webhooks.md": webhooks_page(),
    }


def main() -> int:
    """Write the pages."""
    generated_pages.write(pages())
    return 0


if __name__ == "__main__":
    sys.exit(main())
