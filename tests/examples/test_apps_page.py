"""The blocks of the page on the app's state run, with a client that is connected."""

from __future__ import annotations

import ast
import re
import types
from pathlib import Path

from harness import LiveStage

PAGE = Path(__file__).parents[2] / "docs" / "apps.core.md"


async def test_the_blocks_of_the_apps_page_run(live: LiveStage, monkeypatch, capsys):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")
    alice = await live.enter("alice")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    scope = {"chat": alice.chat}
    for n, block in enumerate(blocks):
        waiting = eval(compile(block, f"block {n}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), scope)
        if waiting is not None:
            await waiting
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == "True"  # the network, which is known on every Linux
    app = types.SimpleNamespace(action_suspend_process=lambda: None)
    scope["on_mount"](app, alice.chat)
    assert app.app_watch.knows == {"paused"}
    app.app_watch.close()
    await alice.connected()
