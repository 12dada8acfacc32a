"""A chat window with Qt: the conversations on the left, the messages of the open one on the right.

Run it against `make serve`, with APP_ID and AUTH_KEY in the environment: `pip install PySide6-Essentials`, then
`python pyside6_chat.py`. CHAT_USER is the user who logs in (alice), CHAT_URL the server.
"""

import os
from collections.abc import Callable
from time import localtime, strftime
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QGridLayout, QLabel, QLineEdit, QListWidget, QListWidgetItem, QWidget

from tailwire import AppSettingsBuilder, Change, CometChatException, ConnectionChanged, Group, TextMessage, User, watch
from tailwire.sync import Client, LiveMessages, post_qt

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
USER = os.environ.get("CHAT_USER", "alice")
SETTINGS = AppSettingsBuilder().override_client_host(URL).subscribe_presence_for_all_users().keep_unsent_messages()
STATUS = {"connected": "Connected", "connecting": "Connecting …", "disconnected": "Offline: what you write is kept"}
COLOURS = {"theirs": "#202020", "mine": "#1a5fb4", "pending": "#777777", "failed": "#c01c28"}
NOTES = {"pending": "   (not sent yet)", "failed": "   (failed: double-click to send it again)"}
LIVE = Qt.ItemDataRole.UserRole  # the role under which a row stores its item of the live list


class Window(QWidget):
    """The chat window. Everything runs in Qt's thread: the client calls back there, and `start()` does not block."""

    def __init__(self) -> None:
        super().__init__(windowTitle="Chat")
        self.resize(760, 460)
        self.setStyleSheet("font-size: 11pt")
        self.receiver = ("", "")  # the open conversation: its type, and the uid or guid
        self.live: LiveMessages | None = None
        self.conversations, self.messages = QListWidget(spacing=2), QListWidget(spacing=2, wordWrap=True)
        self.uid, self.entry = QLineEdit(placeholderText="Write to (uid)"), QLineEdit(placeholderText="Write a message")
        self.status, layout = QLabel(), QGridLayout(self)
        for n, widget in enumerate((self.conversations, self.messages, self.uid, self.entry)):
            layout.addWidget(widget, n // 2, n % 2)
        layout.addWidget(self.status, 2, 0, 1, 2)
        layout.setColumnStretch(1, 1)
        self.conversations.setFixedWidth(200)
        self.conversations.itemClicked.connect(lambda row: self.open(tuple(row.data(LIVE).key.split("/", 1))))
        self.messages.itemDoubleClicked.connect(self.send_again)
        self.uid.returnPressed.connect(lambda: self.open(("user", self.uid.text().strip())))
        self.entry.returnPressed.connect(self.send)
        self.chat = Client(os.environ["APP_ID"], SETTINGS.build(), post=post_qt(), on_event=self.show_event)
        watch(self.chat)
        self.log_in()

    def log_in(self) -> None:
        self.chat.start("login", USER, auth_key=os.environ["AUTH_KEY"], done=self.logged_in, failed=self.again)

    def logged_in(self, user: User) -> None:
        self.setWindowTitle(f"{user.name} – Chat")
        self.chat.start("live_conversations", done=self.listed, failed=self.again)

    def again(self, error: BaseException) -> None:
        self.complain(error)
        QTimer.singleShot(5000, self.log_in)

    def complain(self, error: BaseException) -> None:
        self.status.setText(str(error))

    def show_event(self, event: object) -> None:
        if isinstance(event, ConnectionChanged):
            self.status.setText(STATUS.get(event.status, event.status))
            if event.status == "connected" and self.live is None and self.receiver[1]:
                self.open(self.receiver)

    def listed(self, live: Any) -> None:
        live.subscribe(lambda change: follow(self.conversations, change, self.show_conversation))

    def open(self, receiver: tuple[str, str]) -> None:
        """Open a conversation; a pending request for the previous one is ignored."""
        if self.live is not None:
            self.live.close()
        self.receiver, self.live = receiver, None
        name = {"uid" if receiver[0] == "user" else "guid": receiver[1]}
        self.chat.start("live_messages", **name, done=lambda live: self.opened(live, receiver), failed=self.complain)

    def opened(self, live: LiveMessages, receiver: tuple[str, str]) -> None:
        if receiver != self.receiver or self.live is not None:
            live.close()  # another conversation was chosen meanwhile
        else:
            self.live = live
            live.subscribe(lambda change: self.message_changed(change) if self.live is live else None)
            self.entry.setFocus()

    def message_changed(self, change: Any) -> None:
        follow(self.messages, change, self.show_message)
        self.messages.scrollToBottom()
        message = self.messages.item(self.messages.count() - 1).data(LIVE).message if self.messages.count() else None
        if message and message.sender.uid not in ("", USER) and not message.read_at:
            self.chat.start("mark_as_read", message)

    def show_conversation(self, row: QListWidgetItem, item: Any) -> None:
        c, other = item.conversation, item.conversation.conversation_with
        unread = f"  ({c.unread_message_count})" if c.unread_message_count else ""
        dot = "#" if isinstance(other, Group) else "●" if other.status == "online" else "○"
        row.setText(f"{dot} {other.name}{unread}{'  …' if item.typing else ''}")

    def show_message(self, row: QListWidgetItem, item: Any) -> None:
        m, mine = item.message, item.message.sender.uid in ("", USER)
        text = "(deleted)" if m.deleted_at else m.text if isinstance(m, TextMessage) else f"[{m.type}]"
        at = strftime("%H:%M", localtime(m.sent_at or None))
        note = NOTES.get(item.state, "   ✓✓" if mine and m.read_at else "   ✓" if mine else "")
        row.setText(f"{at}  {'You' if mine else m.sender.name}: {text}{note}")
        row.setForeground(QColor(COLOURS.get(item.state, COLOURS["mine" if mine else "theirs"])))

    def send(self) -> None:
        kind, name = self.receiver
        if self.entry.text().strip() and name:
            try:  # sent now, or as soon as there is a network
                self.chat.queue_message(TextMessage(receiver=name, receiver_type=kind, text=self.entry.text()))
                self.entry.clear()
            except CometChatException as e:
                self.complain(e)

    def send_again(self, row: QListWidgetItem) -> None:
        if row.data(LIVE).state == "failed":
            row.data(LIVE).entry.retry()


def follow(rows: QListWidget, change: Change[Any], show: Callable[[QListWidgetItem, Any], None]) -> None:
    """Apply a change of a live list to the rows that show it."""
    if change.kind == "reset":
        rows.clear()
    for at, item in enumerate(change.items) if change.kind == "reset" else [(change.at, change.item)]:
        if change.kind in ("reset", "inserted"):
            rows.insertItem(at, QListWidgetItem())
        elif change.kind == "moved":
            rows.insertItem(at, rows.takeItem(change.moved_from))
        elif change.kind == "removed":
            rows.takeItem(at)
        if change.kind in ("reset", "inserted", "moved", "changed"):
            row = rows.item(at)
            row.setData(LIVE, item)
            show(row, item)


if __name__ == "__main__":
    app = QApplication([])
    window = Window()
    window.show()
    app.exec()
    window.chat.close()
