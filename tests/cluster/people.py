"""People who chat in one group over the cluster, and the ledger of what each must receive."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field

from tailwire import (
    AppSettingsBuilder,
    BaseMessage,
    ChatClient,
    CometChatException,
    ConnectionStatus,
    Group,
    HistoryGap,
    MemorySessionStore,
    MessageListener,
    TextMessage,
)

GUID = "cluster"
NAMES = ("alice", "bob", "carol")
PAUSE_SECONDS = 0.2
CONNECT_SECONDS, POLL_SECONDS = 20.0, 0.05


@dataclass
class Ledger:
    """The messages that were acknowledged to senders, and those that listeners received.

    Attributes:
        acknowledged: message ids by sender.
        heard: message ids by listener, in the order in which they came.
        gaps: the ranges reported to listeners as missing, as the id before each and its last id.
        slowest: seconds of the slowest delivery of the last second of the status line, send to listener.
    """

    acknowledged: dict[int, str] = field(default_factory=dict)
    heard: dict[str, list[int]] = field(default_factory=dict)
    gaps: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    slowest: float = 0.0

    def missing(self, uid: str) -> list[int]:
        """Return the acknowledged messages of others that a listener neither received nor had reported as missing."""
        known = set(self.heard.get(uid, ()))
        gaps = self.gaps.get(uid, ())
        return [
            n
            for n, sender in self.acknowledged.items()
            if sender != uid and n not in known and not any(a < n <= b for a, b in gaps)
        ]

    def twice(self, uid: str) -> int:
        """Return the number of messages that a listener received more than once."""
        heard = self.heard.get(uid, [])
        return len(heard) - len(set(heard))

    def out_of_order(self, uid: str) -> int:
        """Return the number of messages that a listener received after one with a higher id."""
        highest = count = 0
        for n in self.heard.get(uid, ()):
            count += n < highest
            highest = max(highest, n)
        return count


class _Ears(MessageListener):
    def __init__(self, uid: str, ledger: Ledger) -> None:
        self._heard = ledger.heard.setdefault(uid, [])
        self._gaps = ledger.gaps.setdefault(uid, [])
        self._ledger = ledger

    def on_text_message_received(self, message: BaseMessage) -> None:
        self._heard.append(message.id)
        if isinstance(message, TextMessage):
            sent_at = float(message.text.rpartition(" ")[2])
            self._ledger.slowest = max(self._ledger.slowest, time.monotonic() - sent_at)

    def on_history_gap(self, gap: HistoryGap) -> None:
        self._gaps.append((gap.from_id, gap.to_id))


class People:
    """Clients that send to a group, each at its own pace, and listen.

    Args:
        url: the URL of the cluster.
    """

    def __init__(self, url: str, app_id: str, auth_key: str) -> None:
        self.ledger = Ledger()
        self.failures: list[str] = []
        self._auth_key = auth_key
        settings = AppSettingsBuilder().override_client_host(url).build()
        self.clients = {name: ChatClient(app_id, settings, session_store=MemorySessionStore()) for name in NAMES}
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Log in, make the group, and begin to chat."""
        for name, chat in self.clients.items():
            chat.add_message_listener("cluster", _Ears(name, self.ledger))
            await chat.init()
            await chat.login(name, auth_key=self._auth_key)
        first, *others = self.clients.values()
        await first.create_group(Group(guid=GUID, name="Cluster", type="public"))
        for chat in others:
            await chat.join_group(GUID, "public")
        async with asyncio.timeout(CONNECT_SECONDS):
            while self.connected < len(NAMES):
                await asyncio.sleep(POLL_SECONDS)
        self._tasks = [asyncio.create_task(self._chat(name, chat)) for name, chat in self.clients.items()]

    async def _chat(self, name: str, chat: ChatClient) -> None:
        number = 0
        while not self._ended.is_set():
            number += 1
            text = f"{name} {number} {time.monotonic()}"
            try:
                message = await chat.send_message(
                    TextMessage(receiver=GUID, receiver_type="group", text=text, muid=f"{name}-{number}")
                )
            except CometChatException as e:
                self.failures.append(e.code)
            else:
                self.ledger.acknowledged[message.id] = name
            await asyncio.sleep(PAUSE_SECONDS * (0.5 + random.random()))

    async def stop(self, seconds: float = 60.0) -> None:
        """End the chat, and wait until everybody has received everything, at most `seconds`."""
        self._ended.set()
        await asyncio.gather(*self._tasks)
        end = time.monotonic() + seconds
        while any(self.ledger.missing(name) for name in NAMES) and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Close the clients."""
        self._ended.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(chat.aclose() for chat in self.clients.values()))

    @property
    def connected(self) -> int:
        """The number of connected clients."""
        return sum(chat.connection.status is ConnectionStatus.CONNECTED for chat in self.clients.values())

    def status(self) -> str:
        """Return a line about the chat."""
        ledger = self.ledger
        slowest, ledger.slowest = ledger.slowest, 0.0
        lost = sum(len(ledger.missing(n)) for n in NAMES)
        twice, disorder = sum(ledger.twice(n) for n in NAMES), sum(ledger.out_of_order(n) for n in NAMES)
        return (
            f"{self.connected}/{len(NAMES)} connected  {len(ledger.acknowledged):5} acknowledged  {lost:3} on their way  "
            f"{twice} twice  {disorder} out of order  slowest {slowest * 1000:4.0f} ms"
        )
