"""The store: everything that outlives the process, one interface for each noun.

Every store promises, and the contract tests check:

- A write is acknowledged once it survives a killed process and a loss of power.
- Message ids rise in the order in which the messages become visible.
- A sender's muid is stored once.
- Writes are acknowledged in the order of their commits.
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
    """Checks an act against the present facts, so that an act which is refused never reaches the writer."""

    async def group(self, act: GroupAct) -> GroupStanding:
        """Return the standing for an act in a group.

        Raises:
            Refused: the act is refused, or ERR_GUID_NOT_FOUND: there is no such group.
        """

    async def message(self, act: MessageAct) -> MessageStanding:
        """Return the standing for an act on a message.

        Raises:
            Refused: the act is refused, or ERR_MESSAGE_ID_NOT_FOUND: there is no such message.
        """


class Removal(Protocol):
    """Permanently removes users, groups, conversations and messages, with all records that refer to them."""

    async def remove_user(
        self, uid: str, *, with_messages: bool, anonymous: bool = False, receipt_members: int = 0
    ) -> tuple[list[str], list[str]]:
        """Remove a user.

        Messages in groups that only they had not received or read count from now on as received or read by all, but
        without a change in the change log.

        Args:
            uid: the user.
            with_messages: remove their messages and uploads too, and reduce them to their uid in others' messages.
            anonymous: keep their messages, and reduce them to their uid in all messages.
            receipt_members: up to how many members a group has receipts.

        Returns:
            The guids of their groups, and the hashes of their auth tokens.
        """

    async def remove_group(
        self, act: GroupAct, events: Callable[[GroupStanding], Sequence[Event]]
    ) -> tuple[list[str], int]:
        """Remove a group and its messages.

        Args:
            act: the act, whose condition is checked in the transaction of the removal.
            events: makes the webhook events from the standing before the removal.

        Returns:
            The uids of its members, and the number of the change in the change log.

        Raises:
            Refused: the act is refused, or ERR_GUID_NOT_FOUND: there is no such group.
        """

    async def remove_conversation(
        self, conversation_id: ConversationKey, by: str = "", device: str = ""
    ) -> dict[str, int]:
        """Remove the messages of a conversation for all participants.

        Args:
            conversation_id: its key.
            by: the uid of the user who removes it; "" if no user does.
            device: the device of that user.

        Returns:
            The number of the change in the change log for each of the two users, by uid; for a group the one for all
            members, under "". Nothing if the conversation does not exist.
        """

    async def remove_message(self, message: MessageRow) -> None:
        """Remove a message."""


class Store(Protocol):
    """A whole store. Code that needs one noun of it takes the interface of that noun."""

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
        """The store's name. A message id is meaningful only together with it."""

    @property
    def start(self) -> str:
        """The mark of this start, which clients keep with their positions for `known_until`."""

    async def known_until(self, start: str, message_id: int) -> int:
        """Return the id up to which a client's position belongs to this store; -1 if no part of it does.

        Args:
            start: the `start` that the client received together with the id of its position.
            message_id: that id.
        """

    def on_new_start(self, call: Callable[[], None]) -> None:
        """Call a function when a new start begins while this store is open: its contents may be older than before.

        It is called before the first write under that start. Clients must connect again, so that their positions are
        checked, and what is kept in memory may be outdated.
        """

    @property
    def app_id(self) -> str:
        """The id of the app that this store belongs to."""

    @property
    def created(self) -> bool:
        """Whether the store was created by this start."""

    @property
    def write_error(self) -> str:
        """Why the store cannot write; "" when it can."""

    def try_to_write(self) -> None:
        """Start a write that changes nothing, after which `write_error` is up to date. Return at once."""

    def on_write_failure(self, call: Callable[[], None]) -> None:
        """Call a function after each transaction that could not be written."""

    async def close(self) -> None:
        """Finish the writes that were submitted, and close the store."""
