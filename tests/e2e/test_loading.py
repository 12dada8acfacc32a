"""Network libraries are imported in a thread, so that the event loop is not blocked."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from harness import LiveStage

PROGRAM = """
import asyncio, json, os, sys, threading
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

loaded = []

class Watch:
    def find_spec(self, name, path=None, target=None):
        loaded.append((name, threading.current_thread() is threading.main_thread()))

async def main():
    settings = AppSettingsBuilder().override_client_host(os.environ["CHAT_URL"]).build()
    sys.meta_path.insert(0, Watch())
    async with ChatClient(os.environ["APP_ID"], settings, session_store=MemorySessionStore()) as chat:
        after_init = len(loaded)
        await chat.login("alice", auth_key=os.environ["AUTH_KEY"])
        await chat.wait_connected(30)
        print(json.dumps({"init": loaded[:after_init], "after": loaded[after_init:]}))

asyncio.run(main())
"""


async def test_event_loop_does_not_load_network_libraries(live: LiveStage):
    environment = {
        **os.environ, "APP_ID": live.server.app_id, "AUTH_KEY": live.server.auth_key, "CHAT_URL": live.server.url,
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    report = json.loads(out)
    heavy = ("httpx2", "httpcore2", "websockets", "anyio")
    in_a_thread = {name for name, on_the_loop in report["init"] if not on_the_loop}
    on_the_loop = [n for n, here in report["init"] if here and n.partition(".")[0] in heavy]
    assert {"httpx2", "websockets"} <= in_a_thread
    assert on_the_loop == []
    assert len(report["after"]) < 20, report["after"]
