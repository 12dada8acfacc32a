"""A server to chat on at once: demo users, a group, and a bot that answers."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailwire.admin.client import Admin
from tailwire.bot import Bot, Context
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.exceptions import CometChatException
from tailwire.testing.server import BadReadyFile, ServerProcess, read_ready_file
from tailwire.tui.profiles import Profile, ProfileBook
from tailwire.wire.entities import Group, GroupMember, TextMessage

USUAL_URL = "http://127.0.0.1:8480"
"""Where `tailwire serve` listens by default."""
DEMO_UIDS = ("alice", "bob", "carol")
BOT_UID, BOT_NAME = "echo", "Echo"
DEMO_GROUP = Group("lounge", "Lounge")
WELCOME_TEXT = (
    "Welcome! I am a bot and repeat what you write.\nctrl+k finds people and groups, F1 shows all keys, ctrl+q ends.\n"
    "Run the same command in another terminal to chat with yourself as Bob."
)
_READY, _KEYS = "ready.json", "keys.json"
_EXISTS_CODES = frozenset({"ERR_UID_ALREADY_EXISTS", "ERR_GUID_ALREADY_EXISTS", "ERR_ALREADY_JOINED"})


class DemoFailed(Exception):
    """The demo cannot run. The message says why, or what to do."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo server.

    Attributes:
        profile: the server, the app and the user of this terminal.
        auth_key: the auth key of the app, with which any of its users can be logged in.
    """

    profile: Profile
    auth_key: str


def _read_keys(data: Path) -> dict[str, str]:
    try:
        kept = json.loads((data / _KEYS).read_text(encoding="utf-8"))
        return {name: str(kept[name]) for name in ("app_id", "auth_key", "api_key")}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise DemoFailed(f"{data / _KEYS} cannot be read ({e}): name another folder with --data") from e


def _admin(url: str, keys: dict[str, str]) -> Admin:
    return Admin(keys["app_id"], AppSettingsBuilder().override_client_host(url).build(), keys["api_key"])


async def _is_running(url: str, keys: dict[str, str]) -> bool:
    # Return whether the server at a URL accepts the keys of this data folder.
    async with _admin(url, keys) as admin:
        try:
            await admin.users.get(DEMO_UIDS[0])
        except CometChatException as e:
            return e.code == "ERR_UID_NOT_FOUND"
    return True


async def _running_url(folder: Path, data: Path, url: str) -> str:
    # Return the URL of the server that runs on a data folder; "" if none does.
    keys = _read_keys(data)
    if not keys:
        return ""
    urls = [url]
    with suppress(OSError, BadReadyFile):
        urls.append(read_ready_file(folder / _READY)["url"])
    for one in dict.fromkeys([*filter(None, urls), USUAL_URL]):
        if await _is_running(one, keys):
            return one
    return ""


async def _ignore_existing(call: Any) -> bool:
    try:
        await call
    except CometChatException as e:
        if e.code not in _EXISTS_CODES:
            raise
        return False
    return True


async def _create_missing(url: str, keys: dict[str, str]) -> None:
    # Create the users and the group that are missing.
    async with _admin(url, keys) as admin:
        for uid in DEMO_UIDS:
            await _ignore_existing(admin.users.create(uid, name=uid.title()))
        await _ignore_existing(admin.users.create(BOT_UID, name=BOT_NAME))
        members = [GroupMember(uid) for uid in (*DEMO_UIDS, BOT_UID)]
        if await _ignore_existing(admin.groups.create(DEMO_GROUP, members=members)):
            words = TextMessage(
                receiver=DEMO_GROUP.guid, receiver_type="group", text="All demo users are in the lounge."
            )
            await admin.messages.send(words, on_behalf_of=BOT_UID)
        for uid in DEMO_UIDS:
            await _welcome(admin, uid)


async def _welcome(admin: Admin, uid: str) -> None:
    # Because of its muid the message is stored once, however often the demo starts.
    await admin.messages.send(TextMessage(receiver=uid, text=WELCOME_TEXT, muid=f"welcome-{uid}"), on_behalf_of=BOT_UID)


def _make_bot(url: str, keys: dict[str, str], book: ProfileBook) -> Bot:
    settings = AppSettingsBuilder().override_client_host(url).build()
    store = book.session_store(Profile(url, keys["app_id"], BOT_UID))
    bot = Bot(keys["app_id"], settings, uid=BOT_UID, auth_key=keys["auth_key"], session_store=store)

    @bot.on_message(direct=True)
    async def answer(ctx: Context) -> None:
        async with ctx.typing():
            await ctx.reply(f"You said: {ctx.text}" if ctx.text else "Thank you for the file.")

    return bot


def _free_uid(url: str, app_id: str, book: ProfileBook) -> str:
    # Return the first demo user who is not in use in another terminal.
    for uid in DEMO_UIDS:
        try:
            book.session_store(Profile(url, app_id, uid)).claim(app_id)()
        except CometChatException:
            continue
        return uid
    raise DemoFailed("All demo users are in use in other terminals: close one, or name a user with --user.")


async def _serve_bot(bot: Bot) -> None:
    try:
        await bot.serve()
    except CometChatException as e:
        if e.code != "SESSION_IN_USE":  # another terminal runs the bot
            raise


@asynccontextmanager
async def demo(book: ProfileBook, data: Path, uid: str = "", *, url: str = "") -> AsyncIterator[Demo]:
    """Yield a demo server: the one that runs on a data folder already, or one that is started and stopped at the end.

    The demo users, the bot and their group are created if they are missing. The bot answers until the end of the
    context, unless another terminal runs it. A started server also ends when this process ends; its data stays.

    Args:
        book: the profiles of this device; the session of the bot is kept there, too.
        data: the data folder of the server.
        uid: the user of this terminal; "" for the first demo user who is not in use in another terminal.
        url: where the server that runs on the data folder listens; "" if it is not known, or none runs.

    Raises:
        DemoFailed: the server does not start or refuses to create the demo's users, the file with its keys cannot be
            read, or all users are in use.
    """
    book.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data / "chat"
    url, server = await _running_url(folder, data, url), None
    answering: asyncio.Task[None] | None = None
    try:
        if not url:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            server = ServerProcess(folder, None, "--demo-users")
            server.program, server.data = ["-m", "tailwire.cli.tied", str(os.getpid())], data
            try:
                await server.start()
            except RuntimeError as e:
                raise DemoFailed(str(e)) from e
            url = server.url
        keys = _read_keys(data)
        try:
            await _create_missing(url, keys)
        except CometChatException as e:
            raise DemoFailed(f"The demo server refused to create its users: {e}") from e
        answering = asyncio.create_task(_serve_bot(_make_bot(url, keys, book)))
        yield Demo(Profile(url, keys["app_id"], uid or _free_uid(url, keys["app_id"], book)), keys["auth_key"])
    finally:
        if answering is not None:
            answering.cancel()
            await asyncio.wait([answering])
        if server is not None:
            await server.stop()
