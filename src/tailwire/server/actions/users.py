"""Creates, shows, changes and deletes users."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.roles import DEFAULT_ROLE, Roles
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import Blocks, UserView
from tailwire.server.ports.conversations import conversation_of
from tailwire.server.ports.filters import Position, UserFilter
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules import names

UNSETTABLE_FIELDS = ("avatar", "link", "metadata")
MAX_STATUS_CHARACTERS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to create.

    Attributes:
        role: the id of a role; None for the default role.
        metadata: an encoded JSON object, or `null` for none.
    """

    uid: str = ""
    name: str = ""
    avatar: str | None = None
    link: str | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: bytes = b"null"
    tags: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """The fields of a user to change. None keeps a field as it is, and so does "" for role and status message.

    Attributes:
        metadata: an encoded JSON object; `null` keeps the present one.
        unset: names of fields to clear: those in `UNSETTABLE_FIELDS`; other names are ignored.
    """

    name: str | None = None
    avatar: str | None = None
    link: str | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: bytes = b"null"
    tags: list[str] | None = None
    unset: tuple[str, ...] = ()


class Users:
    """Actions on users.

    Args:
        receipt_members: groups with more members have no receipts for their senders.
    """

    def __init__(self, services: Services, roles: Roles, receipt_members: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._roles = roles
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._receipt_members = receipt_members

    async def create(self, new: NewUser) -> UserView:
        """Create a user, and return them.

        Raises:
            Refused: ERR_BAD_REQUEST: a field is invalid; ERR_UID_ALREADY_EXISTS; ERR_ROLE_NOT_FOUND.
        """
        row = UserRow(
            uid=names.identifier(new.uid, "uid"),
            name=self._lengths.check_name(new.name),
            avatar=self._lengths.check_url(new.avatar, "avatar"),
            link=self._lengths.check_url(new.link, "link"),
            role=await self._check_role(new.role),
            status_message=_check_status_message(new.status_message),
            metadata=self._lengths.check_metadata(new.metadata),
            tags=encode(self._lengths.check_tags(new.tags)).decode() if new.tags else None,
            created_at=self._world.seconds(),
        )
        if row.uid == names.SYSTEM_USER or not await self._store.users.add(row):
            raise Refused("ERR_UID_ALREADY_EXISTS", {"uid": row.uid})
        return await self._directory.view(row, "")

    async def _check_role(self, role: str | None) -> str:
        if not role:
            return DEFAULT_ROLE
        if not await self._roles.exists(names.identifier(role, "role")):
            raise Refused("ERR_ROLE_NOT_FOUND", {"role": role[:100]})
        return names.identifier(role, "role")

    async def get(self, caller: Caller, uid: str) -> UserView:
        """Return a user, with the blocks between them and the caller and the id of their conversation.

        Raises:
            Refused: ERR_UID_NOT_FOUND, also for a user whom the caller's role may not see.
        """
        row = await self._directory.user(names.identifier(uid, "uid"))
        only_friends = row.uid != caller.uid and await self._roles.lists_friends_only(caller)
        if only_friends and not await self._store.friends.exists(caller.uid, row.uid):
            raise Refused("ERR_UID_NOT_FOUND", {"uid": row.uid})
        view = await self._directory.view(row, caller.reader)
        if caller.system:
            return view
        blocks = await self._store.blocks.with_users(caller.uid, [row.uid])
        return view._replace(
            blocks=Blocks(*blocks.get(row.uid, ())),
            conversation_id=conversation_of(caller.uid, row.uid, "user"),
        )

    async def list_page(self, caller: Caller, criteria: UserFilter, *, status: str) -> tuple[list[UserView], int]:
        """Return a page of the users who match a filter, and how many match in total.

        Args:
            caller: the reader. If their role sees only friends, only friends match.
            criteria: the filter, with the order and the page.
            status: `online` or `available` (which mean the same) or `offline` to return only such users; "" for all.

        Raises:
            Refused: ERR_BAD_REQUEST: the filter names too many uids.
        """
        criteria = await self._permitted_filter(caller, criteria, status)
        rows, total = await self._store.users.find(criteria)
        return await self._views(caller, rows), total

    async def list_after(
        self, caller: Caller, criteria: UserFilter, position: Position, *, status: str
    ) -> list[UserView]:
        """Return users as in `list_page`, but after a position instead of an offset.

        Args:
            caller, criteria, status: as in `list_page`.
            position: the values of the last user that was read by which they are ordered; () to begin.

        Raises:
            Refused: as in `list_page`.
        """
        criteria = await self._permitted_filter(caller, criteria, status)
        return await self._views(caller, await self._store.users.list_after(criteria, position))

    async def _permitted_filter(self, caller: Caller, criteria: UserFilter, status: str) -> UserFilter:
        self._lengths.check_count(len(criteria.uids), "uids", "uids", least=0)
        if status:
            criteria = replace(
                criteria, online=status != "offline", online_uids=await self._directory.online_to(caller.reader)
            )
        if await self._roles.lists_friends_only(caller):
            criteria = replace(criteria, friends_only=True)
        return criteria

    async def _views(self, caller: Caller, rows: list[UserRow]) -> list[UserView]:
        listed = [await self._directory.view(row, caller.reader) for row in rows]
        if not caller.system:
            blocks = await self._store.blocks.with_users(caller.uid, [row.uid for row in rows])
            listed = [view._replace(blocks=Blocks(*blocks.get(view.row.uid, ()))) for view in listed]
        return listed

    async def update(self, uid: str, change: UserChange, *, own: bool = False) -> UserView:
        """Change a user, and return them.

        Args:
            uid: the user.
            change: the fields to change.
            own: whether the user makes the change themselves. Then `change.role` is ignored.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated; ERR_BAD_REQUEST: a field is invalid;
                ERR_ROLE_NOT_FOUND.
        """
        found = await self._directory.user(names.identifier(uid, "uid"))
        metadata = self._lengths.check_metadata(change.metadata)
        columns: dict[str, object] = {"updated_at": self._world.seconds()}
        if change.name is not None:
            columns["name"] = self._lengths.check_name(change.name)
        for field, url in (("avatar", change.avatar), ("link", change.link)):
            if url is not None:
                columns[field] = self._lengths.check_url(url, field)
        if change.role and not own:
            columns["role"] = await self._check_role(change.role)
        if _check_status_message(change.status_message):
            columns["status_message"] = change.status_message
        if metadata is not None:
            columns["metadata"] = metadata
        if change.tags is not None:
            columns["tags"] = encode(self._lengths.check_tags(change.tags)).decode()
        columns |= dict.fromkeys(n for n in change.unset if n in UNSETTABLE_FIELDS)
        row = await self._store.users.change(found.uid, columns)
        self._directory.forget(found.uid)
        if row is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": found.uid})
        return await self._directory.view(row, "")

    async def deactivate(self, uids: list[str]) -> list[str]:
        """Deactivate users: they cannot log in or be found, their auth tokens are revoked, and their sockets closed.

        Returns:
            The uids of the users who were active until now.

        Raises:
            Refused: ERR_BAD_REQUEST: one of the uids is not valid; then no user is deactivated.
        """
        identifiers = [names.identifier(uid, "uidsToDeactivate") for uid in uids]
        done, tokens = await self._store.users.deactivate(identifiers, self._world.seconds())
        for uid, token in tokens:
            self._delivery.close_revoked(uid, token, "deactivated user")
        self._directory.forget_all()
        return done

    async def reactivate(self, uids: list[str]) -> list[str]:
        """Reactivate users, who may then log in again. Return the uids of those who were deactivated until now.

        Raises:
            Refused: ERR_BAD_REQUEST: one of the uids is not valid; then no user is reactivated.
        """
        done, _ = await self._store.users.deactivate([names.identifier(uid, "uidsToActivate") for uid in uids], None)
        self._directory.forget_all()
        return done

    async def delete(self, uid: str, *, permanent: bool, anonymous: bool = False) -> str:
        """Delete a user, and return their uid. By default, their messages remain unchanged, with name and avatar.

        If they were the only member of a group who had not received or read a message, it now counts as received or
        read by all. Its sender is not notified of this. Groups that they owned have no owner.

        Args:
            uid: the user.
            permanent: also delete the user's messages, uploads, and conversations with other users. Where messages of
                others contain the user, only the uid remains.
            anonymous: keep the user's messages, but remove everything about the user from them except the uid.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        found = await self._store.users.get(names.identifier(uid, "uid"))
        if found is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid[:100]})
        groups, tokens = await self._store.removal.remove_user(
            found.uid, with_messages=permanent, anonymous=anonymous, receipt_members=self._receipt_members
        )
        for token in tokens:
            self._delivery.close_revoked(found.uid, token, "deleted user")
        for guid in groups:
            self._delivery.change_subscription(found.uid, guid, joined=False)
        self._directory.forget_all()
        return found.uid

    def online_count(self) -> int:
        """Return how many users are online."""
        return len(self._directory.online_uids())


def _check_status_message(text: str | None) -> str | None:
    if text is not None and len(text) > MAX_STATUS_CHARACTERS:
        raise Refused("ERR_BAD_REQUEST", {"statusMessage": f"Use at most {MAX_STATUS_CHARACTERS} characters."})
    return text
