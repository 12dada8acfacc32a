"""A recorder of what a client receives, and three assertions: nothing is lost, nothing repeated, nothing left open."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from tailwire.sdk.client import ChatClient, open_clients
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.interfaces import ConnectionListener, MessageListener
from tailwire.wire.entities import BaseMessage, TextMessage

_names = iter(range(1, 1 << 62))


class Received(MessageListener, ConnectionListener):
    """Records the messages and connection statuses that a client receives from now on.

    Args:
        chat: the client.

    Attributes:
        messages: the messages that its listeners received, in order.
        statuses: the connection statuses, in order.
        errors: the codes of connection errors, in order.
    """

    def __init__(self, chat: ChatClient) -> None:
        self.messages: list[BaseMessage] = []
        self.statuses: list[ConnectionStatus] = []
        self.errors: list[str] = []
        self._changed = asyncio.Event()
        name = f"tailwire-received-{next(_names)}"
        chat.add_message_listener(name, self)
        chat.add_connection_listener(name, self)

    @property
    def texts(self) -> list[str]:
        """The texts of the text messages among `messages`, in order."""
        return [m.text for m in self.messages if isinstance(m, TextMessage)]

    async def until(self, condition: Callable[[], bool], timeout: float = 10.0) -> None:
        """Wait until a condition holds. It is checked at once, and after each recorded message, status and error.

        Raises:
            TimeoutError: if the condition does not hold within `timeout` seconds.
        """
        async with asyncio.timeout(timeout):
            while not condition():
                await self._changed.wait()

    def _wake_waiters(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _record_message(self, message: BaseMessage) -> None:
        self.messages.append(message)
        self._wake_waiters()

    on_text_message_received = _record_message
    on_media_message_received = _record_message
    on_custom_message_received = _record_message
    on_interactive_message_received = _record_message

    def _record_status(self, status: ConnectionStatus) -> None:
        self.statuses.append(status)
        self._wake_waiters()

    def on_connected(self) -> None:
        """Record the status."""
        self._record_status(ConnectionStatus.CONNECTED)

    def on_connecting(self) -> None:
        """Record the status."""
        self._record_status(ConnectionStatus.CONNECTING)

    def on_disconnected(self) -> None:
        """Record the status."""
        self._record_status(ConnectionStatus.DISCONNECTED)

    def on_connection_error(self, exception: CometChatException) -> None:
        """Record the error's code."""
        self.errors.append(exception.code)
        self._wake_waiters()

    def on_feature_throttled(self) -> None:
        """Record the status."""
        self._record_status(ConnectionStatus.FEATURE_THROTTLED)


async def assert_no_loss(sent: Iterable[BaseMessage], received: Received, timeout: float = 10.0) -> None:
    """Wait until a client has received all sent messages.

    Args:
        sent: the sent messages, as returned by `send_message`.
        received: the recorder of the client that should receive them.
        timeout: seconds.

    Raises:
        AssertionError: some are missing after `timeout` seconds; the error names up to ten of them.
    """
    wanted = {m.id: m for m in sent}
    try:
        await received.until(lambda: wanted.keys() <= {m.id for m in received.messages}, timeout)
    except TimeoutError:
        lost = [_description_of(m) for n, m in wanted.items() if n not in {m.id for m in received.messages}]
        raise AssertionError(
            f"{len(lost)} of {len(wanted)} messages were not received: {', '.join(lost[:10])}"
        ) from None


def assert_once(received: Received) -> None:
    """Assert that no message was received twice, and that the messages of each conversation came in the order of ids.

    Raises:
        AssertionError: a message was received twice or too late; the error names the first one.
    """
    twice = [n for n, times in Counter(m.id for m in received.messages).items() if times > 1]
    if twice:
        message = next(m for m in received.messages if m.id == twice[0])
        raise AssertionError(f"received more than once: {_description_of(message)}")
    last: dict[str, BaseMessage] = {}
    for message in received.messages:
        previous = last.get(message.conversation_id)
        if previous is not None and previous.id > message.id:
            raise AssertionError(f"out of order: {_description_of(message)} came after {_description_of(previous)}")
        last[message.conversation_id] = message


def assert_quiet() -> None:
    """Assert that nothing of a client is left in this event loop: each was closed, and has finished its work.

    All tasks whose names begin with `tailwire` count as those of clients. A client that is open may also have timers
    and sockets, so it counts without a task, too.

    Raises:
        AssertionError: a task still runs or a client is open; the error names the tasks, and the users of the clients.
    """
    tasks = sorted(t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("tailwire"))
    users = sorted(_user_of(chat) for chat in open_clients())
    left = [f"still running: {', '.join(tasks)}"] if tasks else []
    left += [f"clients still open: {', '.join(users)}"] if users else []
    if left:
        raise AssertionError(f"{'; '.join(left)}; was every ChatClient closed (aclose())?")


def _user_of(chat: ChatClient) -> str:
    user = chat.get_logged_in_user()
    return f"that of {user.uid}" if user is not None else "one without a user"


def _description_of(message: BaseMessage) -> str:
    return f"{message.id} ({message.text!r})" if isinstance(message, TextMessage) else str(message.id)
