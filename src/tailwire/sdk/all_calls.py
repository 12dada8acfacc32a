"""The groups of calls of a client.

`scripts/make_client.py` reads these classes: each public method of a group becomes a method of `ChatClient`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from tailwire.sdk.calls.connecting import ConnectionCalls
from tailwire.sdk.calls.conversations import ConversationCalls
from tailwire.sdk.calls.groups import GroupCalls
from tailwire.sdk.calls.listening import ListenerCalls
from tailwire.sdk.calls.listings import ListingCalls
from tailwire.sdk.calls.logins import LoginCalls
from tailwire.sdk.calls.members import MemberCalls
from tailwire.sdk.calls.messages import MessageCalls
from tailwire.sdk.calls.notifications import NotificationCalls
from tailwire.sdk.calls.parts import ClientCore, Parts
from tailwire.sdk.calls.queued import OutboxCalls
from tailwire.sdk.calls.reactions import ReactionCalls
from tailwire.sdk.calls.receipts import ReceiptCalls
from tailwire.sdk.calls.uploads import UploadCalls
from tailwire.sdk.calls.users import UserCalls
from tailwire.sdk.exceptions import failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.world import Identity, World
from tailwire.sdk.live.calling import LiveCalls, LiveLists
from tailwire.sdk.session_holder import SessionHolder


@dataclass(frozen=True, slots=True)
class AllCalls:
    """The groups of calls of one client; `ChatClient.init()` creates them."""

    connection: ConnectionCalls
    logins: LoginCalls
    messages: MessageCalls
    uploads: UploadCalls
    outbox: OutboxCalls
    reactions: ReactionCalls
    receipts: ReceiptCalls
    conversations: ConversationCalls
    users: UserCalls
    groups: GroupCalls
    members: MemberCalls
    listings: ListingCalls
    notifications: NotificationCalls
    live: LiveCalls

    @classmethod
    def of(cls, parts: Parts, lists: LiveLists) -> Self:
        """Create the groups of calls from the parts of a client.

        Args:
            lists: the live lists of the client.
        """
        uploads = UploadCalls(parts)
        return cls(
            connection=ConnectionCalls(parts),
            logins=LoginCalls(parts),
            messages=MessageCalls(parts, uploads),
            uploads=uploads,
            outbox=OutboxCalls(parts),
            reactions=ReactionCalls(parts),
            receipts=ReceiptCalls(parts),
            conversations=ConversationCalls(parts),
            users=UserCalls(parts),
            groups=GroupCalls(parts),
            members=MemberCalls(parts),
            listings=ListingCalls(parts),
            notifications=NotificationCalls(parts),
            live=LiveCalls(parts, lists),
        )


class CallingClient(ClientCore):
    """The base of the generated class `ClientMethods`, whose methods forward to groups of calls (see `methods`)."""

    _listeners: ListenerCalls

    def __init__(self, world: World, identity: Identity, sessions: SessionHolder, gate: Gate) -> None:
        super().__init__(world, identity, sessions, gate)
        self._all_calls: AllCalls | None = None

    @property
    def _calls(self) -> AllCalls:
        self._gate.check_usable()
        if self._all_calls is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._all_calls

    @property
    def _usable_listeners(self) -> ListenerCalls:
        self._gate.check_usable()
        return self._listeners
