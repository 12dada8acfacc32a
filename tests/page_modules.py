"""Runs modules of the web pages with node: what needs no page element needs no browser either."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

WEB = Path(__file__).parents[1] / "src" / "tailwire" / "web"
DEADLINE = 30
MAIN = """
const settled = () => new Promise((done) => setImmediate(done));  // all that waits for no timer has run
console.log(JSON.stringify((await (async () => {
%s
})()) ?? null));
"""


def run(folder: Path, page: str, imports: str, code: str) -> Any:
    """Run code next to the modules of a page, and return what it returns.

    Args:
        folder: an empty folder, for a copy of the modules.
        page: the folder of the page: `chat` or `console`.
        imports: statements that import modules of the page, and what else stands before the code.
        code: the body of an async function; `settled()` in it waits until all that waits for no timer has run.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    modules = folder / "modules"
    if not modules.exists():
        shutil.copytree(WEB / page, modules)
        for shared in ("shared", "vendor"):
            shutil.copytree(WEB / shared, modules / shared)
        (modules / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (modules / "main.mjs").write_text(imports + MAIN % code, encoding="utf-8")
    done = subprocess.run(
        [node, "main.mjs"], cwd=modules, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
