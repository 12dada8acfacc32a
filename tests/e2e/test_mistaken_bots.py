"""Simple mistakes of a bot's author, in a process: a few lines that say what to do, and exit code 1."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from harness import LiveStage
from sizes import only_in_full

ECHO = Path(__file__).resolve().parents[2] / "examples" / "echo_bot.py"


async def run(live: LiveStage, folder: Path, source: str, **environment: str) -> tuple[int, list[str]]:
    """Run a bot until it ends. Return its exit code, and what it printed."""
    bot = folder / "bot.py"
    bot.write_text(source, encoding="utf-8")
    server = {"CHAT_URL": live.server.url, "APP_ID": live.server.app_id, "AUTH_KEY": live.server.auth_key}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(bot),
        env={**os.environ, **server, "XDG_DATA_HOME": str(folder), **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    return process.returncode or 0, printed.decode().splitlines()


IN_FULL = [pytest.mark.thorough, only_in_full("the same with a wrong key, and unit/bot/test_mistakes.py")]


@pytest.mark.parametrize(
    ("mistake", "why", "what_to_do"),
    [
        ({"AUTH_KEY": "wrong"}, "The API key is unknown. (AUTH_ERR_APIKEY_NOT_FOUND)", "Check auth_key="),
        pytest.param(
            {"APP_ID": "wrong"}, "The app id is unknown. (AUTH_ERR_INVALID_APPID)", "Check the app id", marks=IN_FULL
        ),
        pytest.param(
            {"BOT": "nobody"},
            "The user does not exist. (ERR_UID_NOT_FOUND)",
            "tailwire user create nobody",
            marks=IN_FULL,
        ),
    ],
)
async def test_bot_that_cannot_log_in_prints_two_lines_and_ends(live: LiveStage, tmp_path, mistake, why, what_to_do):
    source = ECHO.read_text(encoding="utf-8").replace('uid="bob"', f'uid="{mistake.get("BOT", "bob")}"')
    code, (first, second) = await run(live, tmp_path, source, **mistake)
    assert code == 1
    assert why in first
    assert what_to_do in second


async def test_error_of_a_token_provider_is_shown_with_the_lines_of_the_author(live: LiveStage, tmp_path):
    provider = "async def my_provider():\n    return {}['token']\n\n\nsettings ="
    source = ECHO.read_text(encoding="utf-8").replace("settings =", provider, 1)
    source = source.replace('auth_key=os.environ["AUTH_KEY"]', "auth_token_provider=my_provider")
    code, lines = await run(live, tmp_path, source)
    assert code == 1
    assert lines[-1] == "KeyError: 'token'"
    assert sum("in my_provider" in line for line in lines) == 1
    assert len(lines) < 15, lines


async def test_traceback_of_a_refused_login_is_in_the_log_at_debug(live: LiveStage, tmp_path):
    source = ECHO.read_text(encoding="utf-8")
    source = source.replace("import os\n", "import logging\nimport os\n\nlogging.basicConfig(level=logging.DEBUG)\n")
    code, lines = await run(live, tmp_path, source, AUTH_KEY="wrong")
    assert code == 1
    assert "DEBUG:tailwire.bot:the bot cannot run" in lines
    assert "Traceback (most recent call last):" in lines
    assert lines[-1].startswith("Check auth_key=")
