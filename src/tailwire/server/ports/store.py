"""The store: everything that outlives the process. Asynchronous, and without a word of SQL.

What every store promises (the contract tests hold each to it): an answer to a write means that the write survives the
process and the machine's power; ids of messages rise in the order in which they become visible; one message per sender
and muid; writes are answered in the order of their commits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from tailwire.server.ports.records import (
    Draft,
    GroupRow,
    MemberRow,
    MessageFilter,
    MessageRow,
    Stored,
    UserRow,
)


class Store(Protocol):
    """The store's interface."""

    @property
    def name(self) -> str:
        """The name of this store: ids mean nothing in one of another name."""

    @property
    def app_id(self) -> str:
        """The app that this store belongs to."""

    @property
    def secret(self) -> str:
        """What tokens for WebSockets are signed with."""

    # Keys and tokens, by their hashes.
    async def key_scope(self, key_hash: str) -> str | None: ...
    async def add_key(self, key_hash: str, name: str, scope: str, now: int) -> None: ...
    async def token_owner(self, token_hash: str) -> str | None: ...
    async def add_token(self, token_hash: str, uid: str, now: int, most: int) -> None: ...
    async def remove_token(self, token_hash: str) -> None: ...

    # Users.
    async def user(self, uid: str) -> UserRow | None: ...
    async def users(
        self, *, search: str = "", uids: Sequence[str] = (), limit: int = 30, offset: int = 0
    ) -> tuple[list[UserRow], int]: ...
    async def add_user(self, user: UserRow) -> bool: ...
    async def seen(self, uid: str, now: int) -> None: ...

    # Groups.
    async def group(self, guid: str) -> GroupRow | None: ...
    async def groups(
        self, reader: str, *, joined: bool = False, search: str = "", limit: int = 30, offset: int = 0
    ) -> tuple[list[GroupRow], int]: ...
    async def add_group(self, group: GroupRow) -> bool: ...
    async def member(self, guid: str, uid: str) -> MemberRow | None: ...
    async def members(self, guid: str, *, limit: int = 30, offset: int = 0) -> tuple[list[MemberRow], int]: ...
    async def groups_of(self, uid: str) -> list[str]: ...
    async def add_member(self, member: MemberRow, action: Draft) -> Stored | None: ...
    async def remove_member(self, guid: str, uid: str, action: Draft) -> Stored | None: ...

    # Messages.
    async def add_message(self, draft: Draft) -> Stored: ...
    async def message(self, message_id: int) -> MessageRow | None: ...
    async def messages(self, wanted: MessageFilter) -> list[MessageRow]: ...
    async def edit_message(
        self, message_id: int, body: bytes, editor: str, now: int, action: Callable[[MessageRow], Draft]
    ) -> Stored | None: ...
    async def delete_message(
        self, message_id: int, body: bytes, deleter: str, now: int, action: Callable[[MessageRow], Draft]
    ) -> Stored | None: ...
    async def mark(
        self, conversation_id: str, reader: str, up_to: int, now: int, *, read: bool, group: bool
    ) -> bool: ...

    async def close(self) -> None: ...
