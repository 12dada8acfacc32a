"""Users in pages, logged in with the vendor's JavaScript SDK, and in Python, with ours."""

from __future__ import annotations

import itertools
from typing import Any

from harness import Actor
from interop.browser import Browser, Page
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

_names = itertools.count(1)

START = """
const settings = new CometChat.AppSettingsBuilder().setRegion("us").autoEstablishSocketConnection(auto)
  .overrideClientHost(host + "/v3.0").overrideAdminHost(host + "/v3.0");
if (presence === "all") settings.subscribePresenceForAllUsers();
if (presence === "friends") settings.subscribePresenceForFriends();
if (Array.isArray(presence)) settings.subscribePresenceForRoles(presence);
await CometChat.init(appId, settings.build());
"""

LISTEN = """
const keep = (name) => (...what) => heard(name, plain(what.length > 1 ? what : what[0]));
const C = CometChat;
C.addConnectionListener("t", new C.ConnectionListener({ onConnected: keep("connected"), inConnecting: keep("connecting"),
  onDisconnected: keep("disconnected") }));
const named = (names) => Object.fromEntries(names.map((n) => [n, keep(n)]));
C.addMessageListener("t", new C.MessageListener(named(["onTextMessageReceived", "onMediaMessageReceived",
  "onCustomMessageReceived", "onInteractiveMessageReceived", "onTypingStarted", "onTypingEnded", "onMessagesDelivered",
  "onMessagesRead", "onMessagesDeliveredToAll", "onMessagesReadByAll", "onMessageEdited", "onMessageDeleted",
  "onTransientMessageReceived", "onMessageReactionAdded", "onMessageReactionRemoved", "onMessagePinned",
  "onMessageUnpinned", "onMessageSaved", "onMessageUnsaved"])));
C.addUserListener("t", new C.UserListener(named(["onUserOnline", "onUserOffline"])));
C.addGroupListener("t", new C.GroupListener(named(["onGroupMemberJoined", "onGroupMemberLeft", "onGroupMemberKicked",
  "onGroupMemberBanned", "onGroupMemberUnbanned", "onMemberAddedToGroup", "onGroupMemberScopeChanged"])));
C.addLoginListener("t", new C.LoginListener({ loginSuccess: keep("loginSuccess"), logoutSuccess: keep("logoutSuccess") }));
"""


class Stage:
    """A server, a browser, and users of both SDKs.

    Args:
        sdk: the page that has the SDK.
    """

    def __init__(self, server: Any, browser: Browser, sdk: str = "sdk") -> None:
        self.sdk = sdk
        self.server = server
        self.browser = browser
        self.actors: list[Actor] = []

    def user(self, name: str, **more: Any) -> str:
        """Create a user whose uid begins with the name."""
        uid = f"{name}-{next(_names)}"
        with self.server.http() as http:
            answer = http.post("/users", json={"uid": uid, "name": name.title(), **more})
            assert answer.status_code == 200, answer.text
        return uid

    def ask(self, method: str, path: str, as_: str = "", **more: Any) -> Any:
        """Request the REST API with the REST key."""
        with self.server.http() as http:
            answer = http.request(method, path, headers={"onBehalfOf": as_} if as_ else {}, **more)
            assert answer.status_code == 200, answer.text
            return answer.json()["data"]

    async def page(
        self,
        uid: str,
        *,
        name: str = "",
        presence: Any = "all",
        auto: bool = True,
        token: str = "",
        host: str = "",
    ) -> Page:
        """Open a page with the user logged in and connected."""
        page = await self.browser.open(name or uid, at=f"{self.sdk}.html")
        await page.run(
            START, appId=self.server.keys["app_id"], host=host or self.server.host, presence=presence, auto=auto
        )
        await page.run(LISTEN)
        key = self.server.keys["auth_key"]
        if token:
            await page.run("return await CometChat.login(token)", token=token)
        else:
            await page.run("return await CometChat.login(uid, key)", uid=uid, key=key)
        if auto:
            await self.authenticated(page)
        return page

    async def authenticated(self, page: Page) -> None:
        """Wait until the page's socket receives events: its user sees themselves online."""
        await page.hears("connected")
        await self.online(page)

    async def reconnected(self, page: Page) -> None:
        """Wait like `authenticated`, even if the socket was open before the page had its listeners."""
        await page.run(
            """
            for (let i = 0; i < 600; i++) {
              if (CometChat.getConnectionStatus() === "connected") return;
              await new Promise((r) => setTimeout(r, 50));
            }
            throw new Error("never connected");
            """
        )
        await self.online(page)

    async def online(self, page: Page) -> None:
        """Wait until the page's user sees themselves online."""
        await page.run(
            """
            for (let i = 0; i < 600; i++) {
              const mine = await CometChat.getLoggedinUser();
              const me = mine && await CometChat.getUser(mine.getUid());
              if (me && me.getStatus() === "online") return;
              await new Promise((r) => setTimeout(r, 50));
            }
            throw new Error("never online");
            """
        )

    async def python(self, uid: str, **more: Any) -> Actor:
        """Return the user's connected client in Python."""
        builder = AppSettingsBuilder().override_client_host(self.server.url).subscribe_presence_for_all_users()
        chat = ChatClient(
            self.server.keys["app_id"], builder.build(), session_store=MemorySessionStore(), tls=self.server.tls, **more
        )
        actor = Actor(chat)
        self.actors.append(actor)
        await chat.init()
        actor.listen()
        await chat.login(uid, auth_key=self.server.keys["auth_key"])
        await actor.wait_connected()
        return actor

    async def __aenter__(self) -> Stage:
        return self

    async def __aexit__(self, *error: Any) -> None:
        for actor in self.actors:
            await actor.chat.aclose()
        await self.browser.close_pages()
