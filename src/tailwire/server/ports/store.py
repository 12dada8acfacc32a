"""The store: everything that outlives the process, with one interface for each kind of thing (users, messages, …).

Every store promises, and the contract tests check:

- A write is acknowledged once it survives a killed process and a loss of power.
- Message ids rise in the order in which the messages become visible.
- A sender's muid is stored once.
- Writes are acknowledged in the order of their commits.

Every async method can also raise `Refused`, besides what its docstring tells. A read: with ERR_QUERY_TOO_BROAD if it
takes too long, or ERR_TOO_MANY_REQUESTS if too many reads of the same caller wait. A write: with ERR_REQUEST_OUTDATED
(see `ports.request_numbers`). Both: with ERR_UNAVAILABLE if the database cannot be used or has too much to do; a write
may have been made then, if only its answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailwire.server.ports.audit import AuditStore
from tailwire.server.ports.change_log import ChangeLog
from tailwire.server.ports.changes import ChangeFeed
from tailwire.server.ports.conversation_store import ConversationStore, ReadStateStore
from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.file_store import ChoreStore, FileStore
from tailwire.server.ports.group_store import GroupStore, MemberStore
from tailwire.server.ports.key_store import KeyStore, TokenStore
from tailwire.server.ports.message_store import AnnotationStore, MessageStore, ReactionStore
from tailwire.server.ports.pruning import PruningStore
from tailwire.server.ports.push_store import NotificationStore, PushPreferenceStore, PushTokenStore
from tailwire.server.ports.records import Event, MessageRow
from tailwire.server.ports.request_numbers import RequestNumberStore
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.ports.user_store import BlockStore, FriendStore, RoleStore, UserStore
from tailwire.server.ports.webhook_store import DeliveryStore, WebhookStore


class Standings(Protocol):
    """Checks acts without a write, so that one that is not allowed does not have to wait for other writes.

    The write checks the act again, in its transaction.
    """

    async def group(self, act: GroupAct) -> GroupStanding:
        """Check whether an act in a group is allowed now, and return the standing on which this was decided.

        Raises:
            Refused: raised by `act.allowed`; or ERR_GUID_NOT_FOUND: there is no such group.
        """

    async def message(self, act: MessageAct) -> MessageStanding:
        """Check whether an act on a message is allowed now, and return the standing on which this was decided.

        Raises:
            Refused: raised by `act.allowed`; or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """


class Removal(Protocol):
    """Permanently removes users, groups, conversations and messages, with all records that refer to them."""

    async def remove_user(
        self, uid: str, *, with_messages: bool, anonymous: bool = False, receipt_members: int = 0
    ) -> tuple[list[str], list[str]]:
        """Remove a user, with their memberships, blocks, friendships, auth tokens and push notifications.

        Group messages that all others have received or read are stored as received or read by all from now on, but this
        is not reported in the change log.

        Args:
            uid: the user. Nothing is raised if there is no such user.
            with_messages: also remove their messages, their conversations with other users and their uploads, and erase
                their profile, except the uid, from messages of others.
            anonymous: keep their messages, but erase their profile, except the uid, from all messages. Implied by
                `with_messages`.
            receipt_members: up to how many members a group has receipts.

        Returns:
            The guids of the groups that they were a member of, and the hashes of their auth tokens.
        """

    async def remove_group(
        self, act: GroupAct, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> tuple[list[str], int]:
        """Remove a group, with its messages, members and bans.

        Args:
            act: who removes which group. Its condition is checked in the transaction of the removal.
            events: returns the webhook events to queue, given the standing before the removal.

        Returns:
            The uids of those who were its members, and the number of the change in the change log.

        Raises:
            Refused: raised by `act.allowed`; or ERR_GUID_NOT_FOUND: there is no such group.
        """

    async def remove_conversation(
        self, conversation_id: ConversationKey, by: str = "", device: str = ""
    ) -> dict[str, int]:
        """Remove a conversation with its messages for all participants. A group remains, with its members.

        Args:
            conversation_id: its key.
            by: the uid of the user who removes it; "" if no user does.
            device: the device of that user, to which the change is not reported; "" to report it to all devices.

        Returns:
            The number of the change in the change log for each of the two users, by uid; for a group, of the one change
            for all members, under "". Empty if the conversation does not exist.
        """

    async def remove_message(self, message: MessageRow) -> None:
        """Remove a message, with what users attached to it. It is not reported in the change log."""


class Store(Protocol):
    """A whole store. Code that needs only a part of it takes the interface of that part, such as `UserStore`."""

    @property
    def feed(self) -> ChangeFeed: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def request_numbers(self) -> RequestNumberStore: ...
    @property
    def change_log(self) -> ChangeLog: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def tokens(self) -> TokenStore: ...
    @property
    def users(self) -> UserStore: ...
    @property
    def roles(self) -> RoleStore: ...
    @property
    def blocks(self) -> BlockStore: ...
    @property
    def friends(self) -> FriendStore: ...
    @property
    def groups(self) -> GroupStore: ...
    @property
    def members(self) -> MemberStore: ...
    @property
    def messages(self) -> MessageStore: ...
    @property
    def reactions(self) -> ReactionStore: ...
    @property
    def annotations(self) -> AnnotationStore: ...
    @property
    def conversations(self) -> ConversationStore: ...
    @property
    def read_state(self) -> ReadStateStore: ...
    @property
    def files(self) -> FileStore: ...
    @property
    def chores(self) -> ChoreStore: ...
    @property
    def webhooks(self) -> WebhookStore: ...
    @property
    def deliveries(self) -> DeliveryStore: ...
    @property
    def push_tokens(self) -> PushTokenStore: ...
    @property
    def push_preferences(self) -> PushPreferenceStore: ...
    @property
    def notifications(self) -> NotificationStore: ...
    @property
    def standings(self) -> Standings: ...
    @property
    def removal(self) -> Removal: ...
    @property
    def pruning(self) -> PruningStore: ...

    @property
    def name(self) -> str:
        """A random name of the store. Ids of messages can be compared only if they come from stores of the same name.

        It may change when an older copy of the database is restored.
        """

    @property
    def start(self) -> str:
        """Identifies the present start, a part of the store's history. Clients keep it with their positions.

        A new start begins when a server starts while no other runs, or when the database was reverted to an older copy.
        """

    async def known_until(self, start: str, message_id: int) -> int:
        """Return the id up to which a client and this store have the same history.

        A client may have received messages that the store no longer has, because an older copy was restored.

        Args:
            start: the `start` that the client received together with the id of its position.
            message_id: the id of the position, up to which the client has received messages.

        Returns:
            At most `message_id`; -1 if the store does not recognise `start`.
        """

    def on_new_start(self, call: Callable[[], None]) -> None:
        """Set a function that is called when the database is reverted to an older copy while this store is open.

        It is called before the first write after that. It has to make all clients connect again, so that their
        positions are checked, and drop what is kept in memory.
        """

    @property
    def app_id(self) -> str:
        """The id of the app that this store belongs to."""

    @property
    def created(self) -> bool:
        """Whether the store did not exist before this process opened it."""

    @property
    def write_error(self) -> str:
        """Why the store could not carry out the last write, such as a full disk; "" if it could."""

    def try_to_write(self) -> None:
        """Schedule a write that changes nothing, and return at once. When it has ended, `write_error` is up to date."""

    def on_write_failure(self, call: Callable[[], None]) -> None:
        """Set a function that is called after each transaction that the store could not write."""

    async def close(self) -> None:
        """Finish the writes that were submitted, and close the store."""
