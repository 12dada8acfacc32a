"""What errors advise to install."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tailwire.extras import how_to_install

ROOT = Path(__file__).parents[2]
_ADVICE = re.compile(r"""how_to_install\(["']([a-z0-9]+)["']\)""")


def sources() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))


def test_advice_names_the_repository_because_nothing_is_published():
    assert how_to_install("postgres") == "pip install '.[postgres]' in the folder of Tailwire's repository"
    assert re.findall(r"pip install (?:-e )?[\"']?(?:\.|tailwire)\S*", sources()) == ["pip install '.[{extra}]'"]


def test_advice_names_extras_that_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = set(_ADVICE.findall(sources()))
    assert named >= {"server", "postgres", "push", "s3", "tui", "desktop", "socks"}
    assert named <= set(extras)


def test_missing_package_of_a_command_is_named_with_its_extra():
    code = "import sys; sys.modules['uvicorn'] = None; from tailwire.cli.main import main; sys.exit(main(['serve']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("tailwire: uvicorn")
    assert done.stderr.endswith(f" is not installed; run {how_to_install('server')}\n")
