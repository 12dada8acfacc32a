"""A bot as a process: after a kill it answers pending messages at its next start; on SIGTERM it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import LiveStage
from tailwire import User

BOT = """
import asyncio, os, sys
from pathlib import Path
from tailwire import AppSettingsBuilder
from tailwire.bot import Bot, Context

settings = AppSettingsBuilder().override_client_host(os.environ["CHAT_URL"]).build()
bot = Bot(os.environ["APP_ID"], settings, uid="bob", auth_key=os.environ["AUTH_KEY"])
may_end = Path(os.environ["MAY_END"])


@bot.on_message
async def answer(ctx: Context) -> None:
    await ctx.reply(f"first {ctx.text}")
    while not may_end.exists():
        await asyncio.sleep(0.02)
    await ctx.reply(f"second {ctx.text}")


bot.run()
print("ended", file=sys.stderr)
"""


class BotProcess:
    """The bot, with its session in a folder."""

    def __init__(self, live: LiveStage, folder: Path) -> None:
        self.may_end = folder / "may end"
        self._file = folder / "bot.py"
        self._file.write_text(BOT)
        self._environment = {
            **os.environ,
            "CHAT_URL": live.server.url,
            "APP_ID": live.server.app_id,
            "AUTH_KEY": live.server.auth_key,
            "XDG_DATA_HOME": str(folder),
            "MAY_END": str(self.may_end),
        }

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(self._file), env=self._environment, stderr=asyncio.subprocess.PIPE
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll until a condition holds."""
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.02)

    def saved_position(self) -> dict[str, Any]:
        """Return the position in the saved session."""
        (file,) = (self._file.parent / "tailwire" / "bots").rglob("session-*.json")
        return json.loads(file.read_text())["position"]

    def has_saved(self, message_id: int) -> bool:
        """Return whether the saved session marks a message as handled."""
        position = self.saved_position()
        return message_id in position["own"] or any(after < message_id <= to for after, to in position["done"])

    def listens_to_signals(self) -> bool:
        """Return whether the process handles SIGTERM."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    async def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal. Return exit code and output."""
        self._process.send_signal(number)
        async with asyncio.timeout(20):
            _, printed = await self._process.communicate()
        return self._process.returncode or 0, printed.decode()


@pytest.mark.slow
async def test_killed_bot_answers_pending_messages_once(live: LiveStage, tmp_path):
    bot = BotProcess(live, tmp_path)
    users = [await live.enter("alice", presence=True), await live.enter("carol")]
    await users[0].chat.create_user(User("dan", "Dan"), live.server.auth_key)
    users.append(await live.enter("dan"))
    await bot.start()
    await users[0].ears.until(lambda: "bob" in users[0].ears.all("online"))
    for n, user in enumerate(users):
        await user.say("bob", f"question {n}")
    for n, user in enumerate(users):
        await user.ears.until(lambda n=n, user=user: user.ears.texts == [f"first question {n}"])
    await users[0].say("bob", "in the queue")
    newest = max(message.id for user in users for message in user.ears.all("text"))
    await bot.until(lambda: bot.has_saved(newest))  # the position, saved with the first replies
    await bot.end(signal.SIGKILL)
    await users[1].say("bob", "while it is dead")
    bot.may_end.touch()
    await bot.start()
    wanted = [
        ["first question 0", "second question 0", "first in the queue", "second in the queue"],
        ["first question 1", "second question 1", "first while it is dead", "second while it is dead"],
        ["first question 2", "second question 2"],
    ]
    for user, texts in zip(users, wanted, strict=True):
        await user.ears.until(lambda user=user, texts=texts: len(user.ears.texts) >= len(texts))
    await users[2].say("bob", "the end")
    await users[2].ears.until(lambda: users[2].ears.texts[-1] == "second the end")
    assert [user.ears.texts for user in users] == [*wanted[:2], [*wanted[2], "first the end", "second the end"]]
    assert await bot.end(signal.SIGTERM) == (0, "ended\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_terminated_bot_finishes_its_work_and_starts_nothing(live: LiveStage, tmp_path, number):
    bot, alice = BotProcess(live, tmp_path), await live.enter("alice", presence=True)
    await bot.start()
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    await alice.say("bob", "one")
    await alice.ears.until(lambda: alice.ears.texts == ["first one"])
    await alice.say("bob", "two")
    ending = asyncio.create_task(bot.end(number))
    await bot.until(lambda: not bot.listens_to_signals())  # it has received the signal
    bot.may_end.touch()
    assert await ending == (0, "ended\n")
    assert alice.ears.texts == ["first one", "second one"]
    await bot.start()
    await alice.ears.until(lambda: len(alice.ears.texts) == 4)
    assert alice.ears.texts[2:] == ["first two", "second two"]
    await bot.end(signal.SIGKILL)
