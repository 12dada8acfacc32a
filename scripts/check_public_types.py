"""Check that a type checker knows the type of everything public: `pyright --verifytypes`, for what an app can import.

The checker looks at the whole package, internal modules included; what counts here is what the public modules export,
with inherited members. `INCOMPLETE` lists what is excused; it may only shrink: an entry that is no longer needed fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import public_face

ROOT = Path(__file__).resolve().parent.parent
# Prefixes of public symbols whose types are not complete.
INCOMPLETE = (
    "tailwire.adapters.loops.LoopWatch",
    "tailwire.adapters.network.watch_network",
    "tailwire.adapters.sleep.watch_sleep",
    "tailwire.admin.client.Admin",
    "tailwire.bot",
    "tailwire.sdk.calls.connecting.ConnectionCalls.connection",
    "tailwire.sdk.calls.connection.Connection",
    "tailwire.sdk.client.ChatClient",
    "tailwire.sdk.cometchat.face.CometChat",
    "tailwire.sdk.live.messages.LiveMessages",
    "tailwire.sync",
    "tailwire.testing.bots.BotTest",
)


def verified() -> list[dict[str, object]]:
    """Return what the type checker says about each symbol."""
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
    """Print the public symbols whose types are not known, and the excuses that are no longer needed."""
    public, needed, found, count = public_paths(), set(), [], 0
    for symbol in verified():
        name = str(symbol["name"])
        if name not in public:
            continue
        count += 1
        if symbol["isTypeKnown"] and not symbol.get("isTypeAmbiguous"):
            continue
        excuse = next((prefix for prefix in INCOMPLETE if name == prefix or name.startswith(f"{prefix}.")), None)
        if excuse is None:
            texts = [str(d["message"]).replace("\n", " ") for d in symbol["diagnostics"]]  # type: ignore[attr-defined]
            found.append(f"{name}: {'; '.join(texts[:2])}")
        else:
            needed.add(excuse)
    found += [f"{prefix}: complete; take it out of INCOMPLETE" for prefix in INCOMPLETE if prefix not in needed]
    print("\n".join(found) or f"public types: {count} symbols, all complete but for {len(INCOMPLETE)} excused")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
