"""Pictures of the demo's output and of the lab in motion, for `make_pictures.py`: their own commands record them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


async def record_picture(
    name: str, arguments: tuple[str, ...], folder: Path, save: Callable[[str, bytes], None]
) -> None:
    """Run a command that writes a picture.

    Raises:
        RuntimeError: if the command fails.
    """
    file = PICTURES / name
    command = [sys.executable, "-m", "tailwire", *arguments, str(file)]
    process = await asyncio.create_subprocess_exec(*command, cwd=folder)
    if await process.wait():
        raise RuntimeError(f"{name} was not recorded: see above")
    print(f"docs/pictures/{name}: {file.stat().st_size // 1000} KB")


DRAWN: dict[str, Callable[[Path, Callable[[str, bytes], None]], Awaitable[None]]] = {
    "demo": partial(record_picture, "demo.svg", ("demo", "--svg")),
    "lab": partial(record_picture, "lab.webp", ("lab", "--record")),
}
