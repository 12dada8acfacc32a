"""Check that a type checker knows the type of everything public: `pyright --verifytypes`, for what an app can import.

The checker looks at the whole package, internal modules included; only the exports of the public modules, with
inherited members, count here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import public_face

ROOT = Path(__file__).resolve().parent.parent


def run_type_checker() -> list[dict[str, object]]:
    """Run the type checker, and return what it says about each symbol.

    Raises:
        SystemExit: it has found no package.
    """
    command = [str(Path(sys.executable).with_name("basedpyright")), "--pythonpath", sys.executable]
    command += ["--verifytypes", "tailwire", "--ignoreexternal", "--outputjson"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    report = json.loads(run.stdout)
    symbols: list[dict[str, object]] = report["typeCompleteness"]["symbols"]
    if not symbols:
        raise SystemExit(f"public types: the type checker found no package: {report['generalDiagnostics']}")
    return symbols


def public_paths() -> set[str]:
    """Return the paths of all public objects: what is exported, and the members of exported classes."""
    found = set(public_face.exported())
    for home in list(found):
        thing = public_face.find(home)
        if thing.is_class:
            found.update(member.path for member in public_face.public_members(thing))
    return found


def main() -> int:
    """Print the public symbols whose types are not known."""
    public, found = public_paths(), []
    symbols = [symbol for symbol in run_type_checker() if symbol["name"] in public]
    for symbol in symbols:
        if not symbol["isTypeKnown"] or symbol.get("isTypeAmbiguous"):
            texts = [str(d["message"]).replace("\n", " ") for d in symbol["diagnostics"]]  # type: ignore[attr-defined]
            found.append(f"{symbol['name']}: {'; '.join(texts[:2])}")
    print("\n".join(found) or f"public types: {len(symbols)} symbols, all complete")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
