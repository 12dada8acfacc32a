"""Pictures of bots and backends in terminals, for `make_pictures.py`: each shows the running example."""

from __future__ import annotations

import asyncio
import base64
import html
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from adapters.shell import Shell
from harness import LiveStage
from tailwire.lab.chromium import find, launched

ROOT = Path(__file__).parents[1]
Save = Callable[[str, bytes], None]
STYLE = """
body { margin: 0; padding: 16px; background: #fff; font: 14px/1.45 'DejaVu Sans Mono', monospace; width: 860px }
figure { margin: 0 0 14px; border-radius: 8px; overflow: hidden; border: 1px solid #2b3440; background: #10161d }
figure:last-child { margin-bottom: 0 }
figcaption { padding: 5px 12px; background: #1c2530; color: #9fb0c2; font: 13px 'DejaVu Sans', sans-serif }
pre { margin: 0; padding: 9px 12px 11px; font: inherit; color: #dfe7ee; white-space: pre }
.mine { color: #7fd1ff } .name { color: #f5c26b } .note { color: #8b98a5 } .cursor { background: #dfe7ee }
"""


async def photograph(page: str, width: int) -> bytes:
    """Draw a page in Chromium at twice its size, and return it as a PNG."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        file.write_text(page, encoding="utf-8")
        async with launched(find()) as browser:
            await browser.open(file.as_uri(), width, 400)
            while await browser.evaluate("document.readyState + !!document.body") != "completetrue":
                await asyncio.sleep(0.02)
            height = await browser.evaluate("document.documentElement.offsetHeight")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 2}
            shot = await browser.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
    return base64.b64decode(shot["data"])


def terminals(frames: list[tuple[str, str]], mine: set[str]) -> str:
    """Return a page with terminals below each other.

    Args:
        frames: the title and the screen content of each.
        mine: lines that were typed.
    """
    figures = []
    for caption, screen in frames:
        lines = []
        for line in screen.split("\n"):
            shown = html.escape(line)
            if line in mine:
                shown = f'<span class="mine">{shown}</span>'
            elif line.startswith("bob: "):
                shown = f'<span class="name">bob:</span>{shown[4:]}'
            elif line.startswith("  "):
                shown = f'<span class="note">{shown}</span>'
            lines.append(shown)
        text = "\n".join(lines) + '<span class="cursor"> </span>'
        figures.append(f"<figure><figcaption>{html.escape(caption)}</figcaption><pre>{text}</pre></figure>")
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{''.join(figures)}"


async def ai_agent(folder: Path, save: Save) -> None:
    """Draw an answer of the agent: growing, complete, and one that was stopped."""
    first, second = "How does an answer reach me?", "And what was my first question?"
    frames: list[tuple[str, str]] = []
    async with LiveStage(folder) as live:
        watcher = await live.enter("carol", presence=True)
        os.environ.update(APP_ID=live.server.app_id, AUTH_KEY=live.server.auth_key, CHAT_URL=live.server.url)
        os.environ["XDG_DATA_HOME"] = str(folder)
        agent = await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "examples" / "ai_agent.py"))
        shell = Shell({"PS1": "$ "})

        def screen() -> str:
            return shell.text + ("" if shell.last_line else "\n")

        async def until(condition: Callable[[str], bool]) -> None:
            async with asyncio.timeout(60):
                while not condition(screen()):
                    await asyncio.sleep(0.01)

        try:
            await watcher.ears.until(lambda: "bob" in watcher.ears.all("online"))
            shell.type(f"clear; {sys.executable} {ROOT / 'examples' / 'ask.py'} bob\n")
            await watcher.ears.until(lambda: "alice" in watcher.ears.all("online"))
            shell.type(f"{first}\n")
            await until(lambda text: len(text) > 100)
            frames.append(("While the model writes: drafts, at most four a second", screen()))
            await until(lambda text: text.endswith("what this was.\n"))
            frames.append(("A moment later: one message, and that is all that is stored", screen()))
            shell.type(f"{second}\n")
            await until(lambda text: text.count("bob: ") == 2 and len(text.rpartition("bob: ")[2]) > 60)
            shell.type("\n")
            await until(lambda text: text.endswith("(stopped)\n"))
            frames.append(("Enter stops the next answer; what was written until then stays", screen()))
        finally:
            shell.close()
            agent.terminate()
            await agent.wait()
    save("ai_agent", await photograph(terminals(frames, {first, second}), 892))


async def echo_bot(folder: Path, save: Save) -> None:
    """Draw a talk with the echo bot, and what it answers after it was killed."""
    missed = "And while you are not running?"
    async with LiveStage(folder) as live:
        watcher = await live.enter("carol", presence=True)
        os.environ.update(APP_ID=live.server.app_id, AUTH_KEY=live.server.auth_key, CHAT_URL=live.server.url)
        os.environ["XDG_DATA_HOME"] = str(folder)
        bots: list[asyncio.subprocess.Process] = []

        async def start(times: int) -> None:
            bots.append(await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "examples" / "echo_bot.py")))
            await watcher.ears.until(lambda: watcher.ears.all("online").count("bob") == times)

        shell = Shell({"PS1": "$ "})
        try:
            await start(1)
            shell.type(f"clear; {sys.executable} {ROOT / 'examples' / 'ask.py'} bob\n")
            await watcher.ears.until(lambda: "alice" in watcher.ears.all("online"))
            shell.type("Good morning\n")
            await shell.until_shown("You said: Good morning")
            bots[0].kill()
            await watcher.ears.until(lambda: "bob" in watcher.ears.all("offline"))
            shell.type(f"{missed}\n")
            await shell.until_shown(missed)
            frames = [("The bot was killed with -9: nobody answers the second line", shell.text + "\n")]
            await start(2)
            await shell.until_shown(f"You said: {missed}")
            frames.append(("It was started again: it answers what it missed, once", shell.text + "\n"))
        finally:
            shell.close()
            for process in bots:
                if process.returncode is None:
                    process.terminate()
                await process.wait()
    save("echo_bot", await photograph(terminals(frames, {"Good morning", missed}), 892))


async def backend(name: str, command: str, ready: str, folder: Path, save: Save) -> None:
    """Draw a backend's terminal, and that of a user who requests a token and then writes."""
    ask = "curl -X POST -u alice:wonderland localhost:8500/chat-token"
    async with LiveStage(folder) as live:
        environment = {"APP_ID": live.server.app_id, "API_KEY": live.server.api_key, "CHAT_URL": live.server.url}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        log, asking = Shell({"PS1": "$ ", **environment}), Shell({"PS1": "$ "})
        try:
            log.type(f"cd {ROOT / 'examples'}; clear\n")
            await log.until(lambda: log.text == "$", "cleared")
            log.type(f"{command}\n")
            await log.until_shown(ready)
            asking.type(f"clear; {ask} -sS\n")
            await asking.until_shown('"token"')
            alice = await live.enter("alice")
            sent = await alice.say("bob", "Good morning")
            await log.until_shown(f"wrote message {sent.id}")
            answer = next(line for line in asking.text.splitlines() if '"token"' in line)
            frames = [
                ("The app asks for a token; then Alice writes a message", f"$ {ask}\n{answer.removesuffix('$')}\n$"),
                ("The log of the backend: it receives a webhook for the message", log.text + "\n"),
            ]
        finally:
            log.close()
            asking.close()
    save(name, await photograph(terminals(frames, {f"$ {ask}", f"$ {command}"}), 892))


async def backend_fastapi(folder: Path, save: Save) -> None:
    """Draw the backend with FastAPI."""
    await backend("backend_fastapi", "uvicorn backend_fastapi:app --port 8500", "running on", folder, save)


async def backend_flask(folder: Path, save: Save) -> None:
    """Draw the backend with Flask."""
    await backend("backend_flask", "flask --app backend_flask run --port 8500", "Running on", folder, save)


DRAWN: dict[str, Callable[[Path, Save], Awaitable[None]]] = {
    "ai_agent": ai_agent,
    "echo_bot": echo_bot,
    "backend_fastapi": backend_fastapi,
    "backend_flask": backend_flask,
}
