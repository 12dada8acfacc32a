"""Draw the pictures of the examples, of the console, of the web chat and of the documentation site, each as it runs.

`make pictures` draws all of them, `make pictures ARGS="tk_chat"` one. Each picture has a function with its name.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

import chat_pictures
import console_pictures
import loop_pictures
import recorded_pictures
import site_pictures
import terminal_pictures
import toolkit_pictures
import web_chat_pictures
import window_pictures

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
MAX_BYTES = 150_000
"""Size limit of a picture."""
DRAWN = {
    **terminal_pictures.DRAWN,
    **window_pictures.DRAWN,
    **loop_pictures.DRAWN,
    **toolkit_pictures.DRAWN,
    **console_pictures.DRAWN,
    **chat_pictures.DRAWN,
    **web_chat_pictures.DRAWN,
    **recorded_pictures.DRAWN,
    **site_pictures.DRAWN,
}


def save(name: str, png: bytes) -> None:
    """Save a picture with a reduced palette.

    Raises:
        ValueError: if the picture is still too large.
    """
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128, kmeans=1).save(small, "PNG", optimize=True)
    if small.tell() > MAX_BYTES:
        raise ValueError(f"{name}.png has {small.tell()} bytes: at most {MAX_BYTES} are wanted")
    (PICTURES / f"{name}.png").write_bytes(small.getvalue())
    print(f"docs/pictures/{name}.png: {small.tell() // 1000} KB")


async def main(names: list[str]) -> None:
    """Draw the pictures of these names, or all."""
    if unknown := set(names) - set(DRAWN):
        sys.exit(f"no picture is named {', '.join(sorted(unknown))}: there are {', '.join(DRAWN)}")
    for name in names or DRAWN:
        with tempfile.TemporaryDirectory() as folder:
            await DRAWN[name](Path(folder), save)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
