"""Talk to a bot in a terminal, and see its answers while they are written.

Run it against `make serve` and a bot, with APP_ID and AUTH_KEY in the environment: `python examples/ask.py bob`. It
logs in as alice, or as CHAT_USER. Enter sends a line; Enter on an empty line stops an answer; Ctrl+D quits. Lines that
are written offline are sent later; messages that were missed are shown at the next start.
"""

import asyncio
import os
import sys
import threading

import tailwire
from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    CometChatException,
    DraftChanged,
    MessageReceived,
    OutboxChanged,
    OutboxEntry,
    TextMessage,
)

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")


class Conversation:
    """The displayed conversation with one other user."""

    def __init__(self, chat: ChatClient, other: str) -> None:
        self.chat, self.other = chat, other
        self.draft: DraftChanged | None = None
        self._shown = ""  # the part of the current answer that is on the screen

    def show(self, event: object) -> None:
        if isinstance(event, DraftChanged) and (event.sender.uid, event.receiver_type) == (self.other, "user"):
            self.draft = None if event.ended else event
            if not event.ended and not event.start:  # only the tail of a very long draft is sent: wait for the message
                self._grow(event.text)
        elif isinstance(event, MessageReceived) and isinstance(event.message, TextMessage):
            message = event.message
            if (message.sender.uid, message.receiver_type) == (self.other, "user"):
                self._grow(message.text)
                print("  (stopped)" if (message.metadata or {}).get("stopped") else "", flush=True)
                self._shown = ""
        elif isinstance(event, OutboxChanged) and event.entry.status == "failed":
            print(f"  not sent: {event.entry.error}", flush=True)

    def _grow(self, text: str) -> None:
        if not self._shown:
            print(f"{self.other}: ", end="")
        elif not text.startswith(self._shown.rstrip()):  # the bot was restarted, and words it differently
            print(f"\n{self.other}: ", end="")
            self._shown = ""
        print(text[len(self._shown) :], end="", flush=True)
        self._shown = text

    def _warn_if_it_waits(self, entry: OutboxEntry) -> None:
        if entry.status == "pending":
            print(f"  waiting to be sent ({self.chat.connection.explain()})", flush=True)

    async def say(self, line: str) -> None:
        if line:
            entry = self.chat.queue_message(TextMessage(receiver=self.other, text=line))
            asyncio.get_running_loop().call_later(2, self._warn_if_it_waits, entry)
        elif self.draft is not None:
            await self.chat.stop_draft(self.draft)


async def main(other: str) -> None:
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())
        loop.call_soon_threadsafe(lines.put_nowait, None)

    settings = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()
    async with ChatClient(os.environ["APP_ID"], settings) as chat:
        await chat.login(os.environ.get("CHAT_USER", "alice"), auth_key=os.environ["AUTH_KEY"])
        conversation, events = Conversation(chat, other), chat.events()
        for entry in chat.queued_messages():
            print(f"  waiting to be sent: {getattr(entry.message, 'text', '')}", flush=True)

        async def follow() -> None:
            async for event in events:
                conversation.show(event)

        if sys.stdin.isatty():
            print(f"  Write to {other}; Enter sends, Ctrl+D quits.", flush=True)
        with tailwire.watch(chat):  # Ctrl+Z closes the socket, fg opens it again
            following = asyncio.create_task(follow())
            threading.Thread(target=read, daemon=True).start()
            while (line := await lines.get()) is not None:
                try:
                    await conversation.say(line)
                except CometChatException as e:
                    print(f"  {e.message}", flush=True)
            following.cancel()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} UID")
    try:
        tailwire.run(main(sys.argv[1]))
    except CometChatException as e:
        sys.exit(str(e))
