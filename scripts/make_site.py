"""Build the documentation site into `site/`, or show it: `make docs`, `make docs ARGS=serve`.

The pages are collected in `build/docs`. Only `make docs` installs the generator of the site.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import check_site
import site_pages

ROOT = site_pages.ROOT
BUILD = ROOT / "build" / "docs"
CONFIGURATION = ROOT / "build" / "zensical.toml"
SITE = ROOT / "site"
PORT = 8000
"""Where `make docs ARGS=serve` shows the site."""
THEME = ROOT / "docs" / "theme.toml"
FROM_AFAR = re.compile(r'<script src="https://unpkg\.com/iframe-worker/shim"[^>]*></script>')
"""A script for search without a server, which the generator would load from elsewhere; ours is in docs/assets."""


def configuration() -> str:
    """Return the configuration of the generator: what `docs/theme.toml` says, and the navigation."""
    text = THEME.read_text(encoding="utf-8")
    entries = []
    for name, pages in site_pages.sections().items():
        rows = ", ".join(f"{{ {json.dumps(shown, ensure_ascii=False)} = {json.dumps(page)} }}" for shown, page in pages)
        entries.append(f"  {{ {json.dumps(name)} = [{rows}] }},")
    head, mark, rest = text.partition("[project]\n")
    places = f'docs_dir = "docs"\nsite_dir = "site"\nnav = [\n{chr(10).join(entries)}\n]\n'
    return head + mark + places + rest


def collect() -> None:
    """Write the pages, the pictures and the configuration into `build/`."""
    shutil.rmtree(BUILD, ignore_errors=True)
    site = site_pages.collected()
    for place, text in site.pages.items():
        path = BUILD / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for place, source in site.files.items():
        path = BUILD / place
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)
    CONFIGURATION.write_text(configuration(), encoding="utf-8")


def use_own_search_script() -> None:
    """Let the pages load their own script for search instead of one from elsewhere.

    Raises:
        SystemExit: a page does not have exactly one such script.
    """
    for page in SITE.rglob("*.html"):
        up = "../" * (len(page.relative_to(SITE).parts) - 1)
        text = page.read_text(encoding="utf-8")
        changed, number = FROM_AFAR.subn(f'<script src="{up}assets/worker.js"></script>', text)
        if number != 1:
            raise SystemExit(
                f"{page}: {number} scripts for search, not 1: look at what this version of Zensical writes"
            )
        page.write_text(changed, encoding="utf-8")


def list_for_models() -> str:
    """Return `llms.txt`: what the site is about, and each page with its title and its first sentence."""
    site = site_pages.collected()
    lines = ["# Tailwire", "", f"> {site_pages.first_paragraph(site.pages['index.md'])}", ""]
    for name, pages in site_pages.sections().items():
        lines += [f"## {name}", ""]
        for shown, place in pages:
            description = site_pages.first_sentence(site.pages[place])
            lines.append(f"- [{shown}]({place.removesuffix('.md')}.html)" + (f": {description}" if description else ""))
        lines.append("")
    return "\n".join(lines)


def serve() -> int:
    """Serve the site on this machine until Ctrl+C."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", PORT), handler) as server:
        print(f"the site is at http://127.0.0.1:{PORT} (Ctrl+C stops)", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0


def main(arguments: list[str]) -> int:
    """Build the site, and with `serve` serve it then; return the exit code."""
    if arguments not in ([], ["serve"]):
        print("usage: make docs, or make docs ARGS=serve", file=sys.stderr)
        return 2
    collect()
    generator = Path(sys.executable).with_name("zensical")
    built = subprocess.run([generator, "build", "--strict", "--clean", "-f", CONFIGURATION], check=False)
    if built.returncode != 0:
        return built.returncode
    shutil.rmtree(SITE, ignore_errors=True)
    (BUILD.parent / "site").rename(SITE)  # the generator only writes next to its configuration
    use_own_search_script()
    (SITE / "llms.txt").write_text(list_for_models(), encoding="utf-8")
    failed = check_site.main()
    if arguments == ["serve"] and not failed:
        return serve()
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
