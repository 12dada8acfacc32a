"""Push notifications, as users and administrators control them: devices, preferences, mutes, deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tailwire.server.actions.authorization import Authorizer
from tailwire.server.actions.caller import Caller
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.auth.token_fingerprints import token_fingerprint
from tailwire.server.limits.targets import Targets
from tailwire.server.ports.conversations import ConversationKey, group_in, key_of, other_in
from tailwire.server.ports.filters import Position
from tailwire.server.ports.push import Composer, Notification
from tailwire.server.ports.push_records import MuteRow, NotificationRow, PushTokenRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules.names import identifier
from tailwire.server.rules.preferences import Preferences, changed_preferences, read_preferences
from tailwire.server.rules.push_tokens import MAX_PROVIDER_ID_CHARACTERS, VOIP, check_token

MAX_MUTES = 1_000
MAX_MUTES_AT_ONCE = 100
MAX_UNTIL_MILLISECONDS = 10**15  # milliseconds: beyond the year 30000
CONVERSATION_KINDS = {"oneOnOne": "user", "group": "group", "user": "user"}
"""The kinds of muted conversations that clients may name, and `user` or `group` for each.

`oneOnOne` and `group` are CometChat's names; `user` is accepted as well.
"""


@dataclass(frozen=True, slots=True)
class PushSetup:
    """The configuration of push notifications.

    Attributes:
        providers: the names of the push services that are configured.
        web_key: the public key with which browsers subscribe to Web Push; "" if Web Push is not configured.
        targets: decides which addresses the push services of browsers (endpoints) may have.
        plain_http: whether endpoints may have `http:` URLs.
        max_tokens: how many devices a user may have. With one more, the oldest registration is removed.
    """

    providers: Collection[str]
    web_key: str
    targets: Targets
    plain_http: bool
    max_tokens: int


class Mute(NamedTuple):
    """A muted conversation, as its user names it.

    Attributes:
        id: the uid of the other user, or the guid.
        type: one of `CONVERSATION_KINDS`.
        until: when it ends, in milliseconds since 1970. Ignored when a conversation is unmuted.
    """

    id: str
    type: str
    until: int


class Notifications:
    """Actions on push notifications.

    Args:
        device_registered: called after a device was registered.
        wake: called after notifications that had failed were queued again.
    """

    def __init__(
        self,
        store: Store,
        world: World,
        authorizer: Authorizer,
        setup: PushSetup,
        composer: Composer,
        device_registered: Callable[[], None],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._world = world
        self._authorizer = authorizer
        self._setup = setup
        self._composer = composer
        self._device_registered = device_registered
        self._wake = wake

    # Devices.

    @property
    def web_key(self) -> str:
        """The public key with which browsers subscribe to Web Push.

        Raises:
            Refused: ERR_PROVIDER_NOT_FOUND: Web Push is not configured.
        """
        if not self._setup.web_key:
            raise Refused("ERR_PROVIDER_NOT_FOUND")
        return self._setup.web_key

    async def register(
        self, caller: Caller, platform: str, token: str, provider_id: str = "", auth_token: str = ""
    ) -> PushTokenRow:
        """Register the caller's device for push notifications, and return it.

        The registration belongs to an auth token, and ends with it. If the same push token was registered by another
        user, that registration is replaced.

        Args:
            caller: the user.
            platform: the platform of the device: one of `rules.push_tokens.PLATFORMS`, in upper or lower case.
            token: the push token of the device; for Web Push the subscription as JSON.
            provider_id: the name that the app has for the provider, which is stored and shown, but not used; "" for
                none.
            auth_token: if the caller is a REST key: the auth token of the user. Otherwise the caller's own is used.

        Raises:
            Refused: as in `rules.push_tokens.check_token`; ERR_PROVIDER_NOT_FOUND: the provider of this platform is not
                configured; ERR_AUTH_TOKEN_NOT_FOUND: the auth token is not the user's, or was revoked;
                ERR_BAD_REQUEST: `provider_id` is too long, or a REST key was used without an auth token.
        """
        checked = check_token(platform, token)
        if len(provider_id) > MAX_PROVIDER_ID_CHARACTERS:
            raise Refused("ERR_BAD_REQUEST", {"providerId": f"Use at most {MAX_PROVIDER_ID_CHARACTERS} characters."})
        if checked.provider not in self._setup.providers and checked.provider != VOIP:
            raise Refused("ERR_PROVIDER_NOT_FOUND")
        if checked.endpoint and (problem := self._problem_with(checked.endpoint)):
            raise Refused("INVALID_WEB_PUSH_SUBSCRIPTION", {"endpoint": problem})
        owner = self._auth_token(caller, auth_token)
        now = self._world.seconds()
        row = PushTokenRow(
            fingerprint(checked.identity), caller.uid, owner, platform.lower(), checked.provider, provider_id,
            checked.token, now, now,
        )  # fmt: skip
        await self._store.push_tokens.put(row, self._setup.max_tokens)
        if not any(known.token_hash == row.token_hash for known in await self._store.push_tokens.of_auth_token(owner)):
            raise Refused("ERR_AUTH_TOKEN_NOT_FOUND")
        self._device_registered()
        return row

    def _problem_with(self, endpoint: str) -> str:
        if not endpoint.startswith("https://") and not self._setup.plain_http:
            return "Use an https:// URL."
        return self._setup.targets.problem(endpoint)

    def _auth_token(self, caller: Caller, auth_token: str) -> str:
        if not caller.key:
            return caller.token
        if not auth_token:
            raise Refused("ERR_BAD_REQUEST", {"authToken": "Send the auth token of the user."})
        return token_fingerprint(auth_token)

    async def devices(self, caller: Caller) -> list[PushTokenRow]:
        """Return the devices that the caller registered with their current auth token.

        If the caller is a REST key, return all devices of the user for whom it acts.
        """
        if caller.key:
            return await self._store.push_tokens.of_user(caller.uid)
        return await self._store.push_tokens.of_auth_token(caller.token)

    async def unregister(self, caller: Caller, token: str = "", auth_token: str = "") -> int:
        """Remove one device of an auth token, or all of them. Return how many were removed.

        Args:
            caller: the user.
            token: the push token as `devices` returns it, or its hash; "" for all devices of the auth token.
            auth_token: if the caller is a REST key: the auth token of the user. Otherwise the caller's own is used.

        Raises:
            Refused: ERR_BAD_REQUEST: a REST key was used without an auth token.
        """
        owner = self._auth_token(caller, auth_token)
        if not token:
            return await self._store.push_tokens.remove_of(owner)
        known = await self._store.push_tokens.of_auth_token(owner)
        hashes = [row.token_hash for row in known if token in (row.token, row.token_hash)]
        return sum([await self._store.push_tokens.remove_of(owner, one) for one in hashes])

    # Preferences.

    async def preferences(self, caller: Caller) -> Preferences:
        """Return the caller's preferences."""
        stored, _ = await self._store.push_preferences.get(caller.uid)
        return read_preferences(stored)

    async def change_preferences(self, caller: Caller, change: dict[str, Any]) -> Preferences:
        """Change the caller's preferences, and return them.

        Args:
            caller: the user.
            change: the fields to change, by their names in JSON. Fields that are not in it keep their value.

        Raises:
            Refused: ERR_BAD_REQUEST: a field is unknown, or its value is invalid.
        """
        stored, _ = await self._store.push_preferences.get(caller.uid)
        changed = changed_preferences(stored, change)
        await self._store.push_preferences.put(caller.uid, changed)
        return read_preferences(changed)

    async def reset_preferences(self, caller: Caller) -> Preferences:
        """Reset the caller's preferences to the defaults, and return them."""
        await self._store.push_preferences.put(caller.uid, "{}")
        return Preferences()

    async def timezone(self, caller: Caller) -> str:
        """Return the name of the caller's time zone; "" if it is unknown."""
        return (await self._store.push_preferences.get(caller.uid))[1]

    async def change_timezone(self, caller: Caller, name: str) -> str:
        """Store the caller's time zone, to which the hours of their notification schedule refer, and return its name.

        Raises:
            Refused: ERR_BAD_REQUEST: there is no time zone of this name.
        """
        if zone_of(name) is None:
            raise Refused("ERR_BAD_REQUEST", {"timezone": "Use a name such as Europe/Berlin."})
        await self._store.push_preferences.put_timezone(caller.uid, name)
        return name

    # Muted conversations.

    async def muted_conversations(self, caller: Caller) -> list[Mute]:
        """Return the conversations that the caller has muted until a time in the future."""
        rows = await self._store.push_preferences.muted_conversations(caller.uid, self._world.milliseconds())
        return [_mute(row, caller.uid) for row in rows]

    async def mute(self, caller: Caller, mutes: Sequence[Mute]) -> list[Mute]:
        """Mute conversations, each until its time. Return all conversations that are now muted.

        A user may mute `MAX_MUTES` conversations. Beyond that, those whose mute ends first are unmuted.

        Raises:
            Refused: ERR_BAD_REQUEST: there are none or too many, or an id, a type or a time is invalid;
                ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER: the caller has no such conversation.
        """
        rows = []
        for one in _bounded(mutes):
            if not 0 < one.until < MAX_UNTIL_MILLISECONDS:
                raise Refused("ERR_BAD_REQUEST", {"until": "Use milliseconds since 1970."})
            rows.append(MuteRow(await self._existing_conversation(caller, one), one.until))
        await self._store.push_preferences.mute(caller.uid, rows, MAX_MUTES)
        return await self.muted_conversations(caller)

    async def unmute(self, caller: Caller, mutes: Sequence[Mute]) -> list[Mute]:
        """Unmute conversations. Return those that are still muted.

        Raises:
            Refused: ERR_BAD_REQUEST: there are none or too many, or an id or a type is invalid.
        """
        conversations = [_key(caller, one) for one in _bounded(mutes)]
        await self._store.push_preferences.unmute(caller.uid, conversations)
        return await self.muted_conversations(caller)

    async def _existing_conversation(self, caller: Caller, one: Mute) -> ConversationKey:
        conversation = _key(caller, one)
        if group_in(conversation):
            await self._authorizer.group(caller, one.id, "read")
        elif await self._store.users.get(other_in(conversation, caller.uid)) is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": one.id})
        return conversation

    # Notifications that are waiting, were sent, or have failed: they are not tried again.

    async def all_devices(self, uid: str, position: Position, limit: int) -> list[PushTokenRow]:
        """Return devices, newest registration first, after a position.

        Args:
            uid: the user whose devices to return; "" for all users.
            position: the values of the last device that was read by which they are ordered; () to begin.
            limit: how many to return at most.
        """
        return await self._store.push_tokens.list_after(uid, position, limit)

    async def deliveries(self, status: str, uid: str, position: Position, limit: int) -> list[NotificationRow]:
        """Return notifications of one status, newest first, after a position.

        Args:
            status: `waiting`, `sent` or `failed`.
            uid: the user whose notifications to return; "" for all users.
            position: the values of the last notification that was read by which they are ordered; () to begin.
            limit: how many to return at most.
        """
        return await self._store.notifications.list_after(status, uid, position, limit)

    async def delivery(self, notification_id: str) -> tuple[NotificationRow, Notification | None]:
        """Return a queued notification, and the content that it would have if it were queued and sent now.

        The content is None if nothing would be sent, as in `Composer.compose`.

        Raises:
            Refused: ERR_NOTIFICATION_NOT_FOUND.
        """
        row = await self._store.notifications.get(_id_number(notification_id))
        if row is None:
            raise Refused("ERR_NOTIFICATION_NOT_FOUND")
        return row, await self._composer.compose(row._replace(queued_at=self._world.seconds()))

    async def list_failed(self, *, limit: int, offset: int) -> tuple[list[NotificationRow], int]:
        """Return a page of the failed notifications, newest first, and how many there are."""
        return await self._store.notifications.list_failed(limit=limit, offset=offset)

    async def send_again(self, notification_id: str) -> None:
        """Queue a failed notification again. It is sent soon; this does not wait for it.

        Raises:
            Refused: ERR_NOTIFICATION_NOT_FOUND: there is no failed notification with this id.
        """
        now = self._world.seconds()
        if not await self._store.notifications.send_again(_id_number(notification_id), now):
            raise Refused("ERR_NOTIFICATION_NOT_FOUND")
        self._wake()

    async def send_all_again(self) -> int:
        """Queue all failed notifications again, and return how many there were. This does not wait for them."""
        count = await self._store.notifications.send_all_again(self._world.seconds())
        self._wake()
        return count


def _id_number(notification_id: str) -> int:
    # No notification has the id 0.
    valid = notification_id.isascii() and notification_id.isdigit() and len(notification_id) < 19
    return int(notification_id) if valid else 0


def zone_of(name: str) -> ZoneInfo | None:
    """Return a time zone by its name, or None if there is no such time zone."""
    try:
        return ZoneInfo(name) if name and len(name) <= 64 else None
    except (KeyError, ValueError, OSError):  # unknown, not a name, or a folder of the time zone database
        return None


def _bounded(mutes: Sequence[Mute]) -> Sequence[Mute]:
    if not 0 < len(mutes) <= MAX_MUTES_AT_ONCE:
        raise Refused("ERR_BAD_REQUEST", {"conversations": f"Name 1 to {MAX_MUTES_AT_ONCE}."})
    return mutes


def _key(caller: Caller, one: Mute) -> ConversationKey:
    if one.type not in CONVERSATION_KINDS:
        raise Refused("ERR_BAD_REQUEST", {"type": "Use oneOnOne or group."})
    return key_of(caller.uid, identifier(one.id, "id"), CONVERSATION_KINDS[one.type])


def _mute(row: MuteRow, uid: str) -> Mute:
    guid = group_in(row.conversation_id)
    return Mute(guid or other_in(row.conversation_id, uid), "group" if guid else "oneOnOne", row.until)
