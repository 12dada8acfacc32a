"""Pictures of the terminal chat as SVG, for its page and for the snapshots of the tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


async def terminal_chat(folder: Path, save: Callable[[str, bytes], None]) -> None:
    """Draw all screens of the terminal chat."""
    from tui.scenes import SCENES, draw_scene

    os.environ["TZ"] = "UTC"
    time.tzset()
    for name in SCENES:
        file = PICTURES / f"terminal_{name}.svg"
        file.write_text(await draw_scene(name), encoding="utf-8")
        print(f"docs/pictures/{file.name}: {file.stat().st_size // 1000} KB")


DRAWN = {"terminal_chat": terminal_chat}
