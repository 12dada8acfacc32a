"""Ask a user something, wait for the answer, and print it: a script without an event loop.

Run it against `make serve`, with APP_ID and AUTH_KEY in the environment: `python script.py bob "Are you there?"`.
CHAT_USER is the user who asks (alice), CHAT_URL the server. Unread messages of the other user are printed first. A
question that cannot be sent now stays on this device, and is sent by the next run.
"""

import argparse
import os
import sys

from tailwire import AppSettingsBuilder, BaseMessage, CometChatException, TextMessage, watch
from tailwire.sync import Client, LiveMessages

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
USER = os.environ.get("CHAT_USER", "alice")
SETTINGS = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()


def main() -> int:
    arguments = argparse.ArgumentParser(description="Ask a user something, and wait for the answer.")
    arguments.add_argument("uid", help="who is asked")
    arguments.add_argument("question")
    arguments.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="for the answer (60)")
    args = arguments.parse_args()
    with Client(os.environ["APP_ID"], SETTINGS) as chat, watch(chat):
        try:
            return ask(chat, args.uid, args.question, args.wait)
        except (CometChatException, TimeoutError) as e:
            print(e, file=sys.stderr)
            for entry in chat.queued_messages():
                print(f"Not sent yet: {show(entry.message)}")
            return 1


def ask(chat: Client, uid: str, question: str, wait: float) -> int:
    chat.login(USER, auth_key=os.environ["AUTH_KEY"])
    entry = chat.with_timeout(wait).queue_message(TextMessage(receiver=uid, text=question)).result()
    with chat.live_messages(uid=uid) as messages:
        for message in unread(messages, uid):
            if message.id < entry.id:
                print(show(message))
        print(show(entry), flush=True)
        for _ in messages.changes(timeout=wait):  # the first change is a reset with the current items
            answers = unread(messages, uid, after=entry.id)
            for answer in answers:
                print(show(answer))
            if answers:
                chat.wait_connected(timeout=wait)
                chat.mark_as_read(answers[-1])
                return 0
    print(f"No answer from {uid} within {wait:g} s.")
    return 1


def unread(messages: LiveMessages, uid: str, after: int = 0) -> list[BaseMessage]:
    """Return the unread messages of the other user."""
    shown = [item.message for item in messages.items if item.message.sender.uid == uid]
    return [m for m in shown if m.id > after and not m.read_at and not m.deleted_at]


def show(message: BaseMessage) -> str:
    text = message.text if isinstance(message, TextMessage) else f"[{message.type}]"
    return f"{message.sender.name or USER}: {text}"


if __name__ == "__main__":
    sys.exit(main())
