"""The SDK in a web page: the unchanged wheel, in Pyodide, in a real browser, with a real server."""

from __future__ import annotations

import asyncio
import itertools
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chromium.browser import Browser, Page
from chromium.site import FOLDER, NEEDED, WHEELS, Site, build_wheel
from tailwire.testing.embedded import EmbeddedServer, TestUser

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(240)]
_names = itertools.count(1)

CLIENTS = """
import asyncio, json
from tailwire import *

clients, heard = {}, {}

async def begin(uid, token, **more):
    settings = AppSettingsBuilder().override_client_host(given["url"]).build()
    chat = clients[uid] = ChatClient(given["app_id"], settings, **more)
    await chat.init()
    heard[uid] = []
    class Ears(MessageListener):
        def on_text_message_received(self, message):
            heard[uid].append(message.text)
    chat.add_message_listener("page", Ears())
    if token:
        await chat.login_with_auth_token(token)
    await chat.wait_connected(20)
    return chat

async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A page with the project's wheel."""
    if not (FOLDER / "node_modules" / "pyodide").is_dir() or not WHEELS.is_dir():
        pytest.skip("Pyodide and the wheels for it are not there: make chromium")
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    site = Site([wheel, *(file for name in NEEDED for file in WHEELS.glob(f"{name}-*.whl"))])
    yield site
    site.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server with another origin than the page's."""
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.close()


class Scene:
    """A page with Python, and two users of the server."""

    def __init__(self, page: Page, server: EmbeddedServer) -> None:
        self.page = page
        self.server = server
        n = next(_names)
        self.alice: TestUser = server.add_user(f"alice-{n}")
        self.bob: TestUser = server.add_user(f"bob-{n}")

    async def python(self, code: str, **values: Any) -> Any:
        """Run Python in the page; return the value of its last line, as JSON."""
        values |= {"url": self.server.url, "app_id": self.server.app_id, "alice": self.alice.uid, "bob": self.bob.uid}
        values |= {"alice_token": self.alice.token, "bob_token": self.bob.token}
        return await self.page.run("return await python(code, given)", code=code, given=values)

    async def sockets(self, user: TestUser, number: int) -> None:
        """Wait until the server has this many sockets of a user."""
        await until(lambda: self._sockets(user) == number, lambda: f"{self._sockets(user)} sockets of {user.uid}")

    def _sockets(self, user: TestUser) -> int:
        async def count() -> int:
            return len(self.server.parts.gateway._hub.sockets_of(user.uid))

        return self.server.call(count())


async def until(condition: Callable[[], bool], what: Callable[[], str], seconds: float = 5.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(what()) from None


@pytest.fixture(scope="module")
def python(_browser: Browser, site: Site) -> Iterator[Page]:
    """A page in which Python has started, shared by all tests because that takes seconds."""

    async def opened() -> Page:
        page = await _browser.open("python", site.url)
        await page.wait_for("window.ready === true", deadline=150)
        return page

    page = asyncio.run(opened())
    yield page
    asyncio.run(page.close())


@pytest.fixture
def scene(python: Page, server: EmbeddedServer) -> Iterator[Scene]:
    """Two users. Their clients in the page are closed at the end, and the server must have no sockets left."""
    scene = Scene(python, server)
    asyncio.run(python.run("localStorage.clear()"))
    asyncio.run(scene.python(CLIENTS + "json.dumps(None)"))
    python.heard.clear()
    yield scene

    async def end() -> None:
        await python.set_online(True)
        await python.set_visible(True)
        await scene.python("for chat in clients.values(): await chat.aclose()\njson.dumps(None)")
        await scene.sockets(scene.alice, 0)
        await scene.sockets(scene.bob, 0)

    asyncio.run(end())
    assert [entry for entry in python.heard if entry[0] == "page error"] == []


BOTH = """
alice = await begin(given["alice"], given["alice_token"])
bob = await begin(given["bob"], given["bob_token"], session_store=MemorySessionStore())
"""


async def test_two_clients_exchange_messages(scene: Scene):
    texts = await scene.python(
        BOTH
        + """
for n in range(10):
    await alice.send_message(TextMessage(text=f"to bob {n}", receiver=given["bob"]))
    await bob.send_message(TextMessage(text=f"to alice {n}", receiver=given["alice"]))
await until(lambda: all(len(texts) == 10 for texts in heard.values()))
json.dumps([heard[given["alice"]], heard[given["bob"]], await alice.get_online_user_count()])
"""
    )
    assert texts == [[f"to alice {n}" for n in range(10)], [f"to bob {n}" for n in range(10)], 2]


async def test_hidden_page_has_no_socket_and_catches_up_once(scene: Scene):
    await scene.python(BOTH + "watch = watch_browser(alice)\njson.dumps(None)")
    await scene.sockets(scene.alice, 1)
    await scene.page.run("dispatchEvent(new Event('blur'))")
    assert await scene.python("json.dumps(watch.seen)") == "resumed"
    await scene.page.set_visible(False)
    await scene.sockets(scene.alice, 0)
    send = "await bob.send_message(TextMessage(text='meanwhile', receiver=given['alice']))\n"
    assert await scene.python(send + "json.dumps([heard[given['alice']], watch.seen])") == [[], "hidden"]
    await scene.page.set_visible(True)
    await scene.sockets(scene.alice, 1)
    back = "await until(lambda: heard[given['alice']])\nawait alice.ping()\njson.dumps(heard[given['alice']])"
    assert await scene.python(back) == ["meanwhile"]
    await scene.python("watch.close()\njson.dumps(None)")
    await scene.page.set_visible(False)
    assert await scene.python("await alice.ping()\njson.dumps(watch.seen)") == "resumed"
    await scene.page.set_visible(True)


async def test_sleep_keeps_the_client_paused_when_the_page_is_visible(scene: Scene):
    await scene.python(BOTH + "watch = watch_browser(alice)\njson.dumps(None)")
    await scene.page.set_visible(False)
    await scene.sockets(scene.alice, 0)
    await scene.python("alice.set_app_state('background', reason='sleep')\njson.dumps(None)")
    await scene.page.set_visible(True)
    assert await scene.python("json.dumps([watch.seen, alice.get_connection_status()])") == ["resumed", "disconnected"]
    await scene.python("alice.set_app_state('foreground', reason='sleep')\njson.dumps(None)")
    await scene.sockets(scene.alice, 1)
    await scene.python("watch.close()\njson.dumps(None)")


async def test_hidden_page_in_manual_mode_keeps_its_socket_for_a_window(scene: Scene):
    code = """
from tailwire.sdk.connection.timings import Timings
settings = AppSettingsBuilder().override_client_host(given["url"]).auto_establish_socket_connection(False).build()
alice = clients["manual"] = ChatClient(given["app_id"], settings, timings=Timings(background_window=1.0))
await alice.init()
await alice.login_with_auth_token(given["alice_token"])
await alice.connect()
watch = watch_browser(alice)
json.dumps(None)
"""
    await scene.python(code)
    await scene.sockets(scene.alice, 1)
    hidden_at = time.monotonic()
    await scene.page.set_visible(False)
    assert await scene.python("json.dumps([watch.seen, alice.get_connection_status()])") == ["hidden", "connected"]
    await scene.sockets(scene.alice, 0)
    assert time.monotonic() - hidden_at >= 1.0
    await scene.page.set_visible(True)
    assert await scene.python("json.dumps([watch.seen, alice.get_connection_status()])") == ["resumed", "disconnected"]
    await scene.python("watch.close()\njson.dumps(None)")


WRITES = """
bob = await begin(given["bob"], given["bob_token"], session_store=MemorySessionStore())
await bob.send_message(TextMessage(receiver=given["alice"], text="written meanwhile"))
json.dumps(None)
"""


async def test_program_of_the_apps_page_runs_as_printed(scene: Scene):
    page = (Path(__file__).parents[2] / "docs" / "apps.md").read_text(encoding="utf-8")
    (code,) = [b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "watch_browser(chat)" in b]
    for printed, here in [
        ("https://chat.example.com", scene.server.url),
        ('"app-id"', repr(scene.server.app_id)),
        ("the user's token", scene.alice.token),
    ]:
        assert printed in code
        code = code.replace(printed, here)
    await scene.python(f"{code}\nclients['printed'] = chat\njson.dumps(None)")
    await scene.sockets(scene.alice, 1)
    await scene.page.set_visible(False)
    await scene.sockets(scene.alice, 0)
    await scene.python(WRITES)
    await scene.page.set_visible(True)
    await scene.sockets(scene.alice, 1)
    await scene.page.wait_for("document.body.innerText.includes('written meanwhile')")
    await scene.python("watch.close()\ndocument.body.replaceChildren()\njson.dumps(None)")


async def test_left_or_frozen_page_has_no_socket(scene: Scene):
    await scene.python(BOTH + "watch = watch_browser(alice)\njson.dumps(None)")
    events = [
        ("window", "pagehide", "pageshow", "detached"),
        ("document", "freeze", "resume", "paused"),
    ]
    for target, gone, back, word in events:
        await scene.page.run(f"{target}.dispatchEvent(new Event('{gone}'))")
        await scene.sockets(scene.alice, 0)
        assert await scene.python("json.dumps(watch.seen)") == word
        await scene.page.run(f"{target}.dispatchEvent(new Event('{back}'))")
        await scene.sockets(scene.alice, 1)
    await scene.python("watch.close()\njson.dumps(None)")


async def test_client_in_a_page_reconnects_after_a_network_loss(scene: Scene):
    await scene.python(BOTH + "watch = watch_browser(alice)\njson.dumps(sorted(watch.knows))")
    await scene.page.set_online(False)
    assert await scene.python("json.dumps(alice._parts.driver.state.network)") == "offline"
    await scene.page.set_visible(False)
    await scene.page.set_visible(True)  # it tries to connect, and fails
    code = "await until(lambda: 'unreachable' in alice.connection.explain())\njson.dumps(alice.connection.explain())"
    assert "the platform reports no network" in await scene.python(code)
    await scene.page.set_online(True)
    texts = await scene.python(
        """
await alice.wait_connected(20)
await bob.send_message(TextMessage(text="still there", receiver=given["alice"]))
await until(lambda: heard[given["alice"]])
watch.close()
json.dumps(heard[given["alice"]])
"""
    )
    assert texts == ["still there"]


async def test_session_is_stored_in_the_browser(scene: Scene):
    kept = await scene.python(
        """
import js
alice = await begin(given["alice"], given["alice_token"])
try:
    await ChatClient(given["app_id"], AppSettingsBuilder().override_client_host(given["url"]).build()).init()
except CometChatException as e:
    second = e.code
await alice.aclose()
saved = js.localStorage.getItem("tailwire session " + given["app_id"])
again = await begin(given["alice"], None)
logged_in = again.get_logged_in_user()
await again.logout()
left = js.localStorage.length
json.dumps([second, "auth_token" in saved, logged_in.uid == given["alice"], left])
"""
    )
    assert kept == ["SESSION_IN_USE", True, True, 0]


async def test_settings_controlled_by_the_browser_are_refused(scene: Scene):
    refused = await scene.python(
        """
import ssl
builder = lambda: AppSettingsBuilder().override_client_host(given["url"])
refused = []
for settings, more in [
    (builder().proxy("http://proxy:8080"), {}),
    (builder().proxy(""), {}),
    (builder().certificate_authority("ca.pem"), {}),
    (builder(), {"tls": ssl.create_default_context()}),
]:
    try:
        await ChatClient(given["app_id"], settings.build(), session_store=MemorySessionStore(), **more).init()
    except CometChatException as e:
        refused.append([e.code, e.details])
json.dumps(refused)
"""
    )
    assert [code for code, _ in refused] == ["ERR_CHAT_API_FAILURE"] * 4
    names = ["proxy()", "proxy()", "certificate_authority()", "tls="]
    for name, (_, details) in zip(names, refused, strict=True):
        assert f"{name}: in a web page the browser controls this" in details


async def test_bytes_are_uploaded_and_paths_are_refused(scene: Scene):
    explanation = await scene.python(
        BOTH
        + """
progress = []
files = [UploadFile(content=b"x" * 300_000, name="x.txt")]
attachments = await alice.upload_attachments(given["bob"], "user", files, on_progress=lambda *a: progress.append(a))
try:
    await alice.upload_attachments(given["bob"], "user", ["/home/user/picture.png"])
except CometChatException as e:
    refused = [e.code, e.details]
json.dumps([attachments[0].size, progress, refused])
"""
    )
    size, progress, (code, details) = explanation
    assert size == 300_000
    assert progress == [["x.txt", 300_000, 300_000]]
    assert code == "ERR_INVALID_FILE_OBJECT"
    assert "UploadFile(content=…, name=…)" in details


async def test_unreachable_server_is_reported_in_a_page(scene: Scene):
    explanation = await scene.python(
        """
settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:9").build()
chat = ChatClient(given["app_id"], settings, session_store=MemorySessionStore())
await chat.init()
try:
    await chat.login(given["alice"], auth_key="key")
except CometChatException as e:
    answer = [e.code, e.details]
await chat.aclose()
json.dumps(answer)
"""
    )
    assert explanation[0] == "NO_INTERNET_CONNECTION"
    assert "The browser does not say why" in explanation[1]


async def test_messages_are_polled_where_websockets_are_refused(scene: Scene):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # no server listens there
        texts = await scene.python(
            """
bob = await begin(given["bob"], given["bob_token"], session_store=MemorySessionStore())
builder = AppSettingsBuilder().override_client_host(given["url"]).set_web_socket_port(given["port"])
settings = builder.poll_where_web_sockets_are_refused(every=0.5).build()
chat = clients["polling"] = ChatClient(given["app_id"], settings)
heard["polling"] = []
class Ears(MessageListener):
    def on_text_message_received(self, message):
        heard["polling"].append(message.text)
chat.add_message_listener("page", Ears())
await chat.init()
await chat.login_with_auth_token(given["alice_token"])
await until(lambda: any(t.cause == Cause.WEBSOCKET_REFUSED for t in chat.connection.history))
await bob.send_message(TextMessage(text="polled", receiver=given["alice"]))
await until(lambda: heard["polling"])
json.dumps([heard["polling"], chat.connection.explain()])
""",
            port=taken.getsockname()[1],
        )
    assert texts[0] == ["polled"]
    assert "meanwhile messages are read from history" in texts[1]


async def test_clients_in_a_page_reconnect_after_a_server_restart(scene: Scene):
    await scene.python(BOTH + "json.dumps(None)")
    await asyncio.to_thread(scene.server.restart)
    texts = await scene.python(
        """
await alice.wait_connected(30)
await bob.wait_connected(30)
await bob.send_message(TextMessage(text="again", receiver=given["alice"]))
await until(lambda: heard[given["alice"]])
json.dumps(heard[given["alice"]])
"""
    )
    assert texts == ["again"]
