"""Push notifications: register this device, choose what to be notified of, mute conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps
from typing import Any

from tailwire.sdk.calls.checks import text_of
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import failure
from tailwire.wire.notifications import (
    MutedConversation,
    NotificationPreferences,
    PushPlatforms,
    UnmutedConversation,
    muted_from_wire,
    preferences_from_wire,
    preferences_to_wire,
)

TOKENS_PATH = "/notifications/push/v1/tokens"
PREFERENCES_PATH = "/notifications/v1/preferences"
TIMEZONE_PATH = "/notifications/v1/timezone"
REGISTERED_TEXT = "Push token registered successfully"


class NotificationCalls:
    """The calls that register for push notifications, and choose what to be notified of."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def register_push_token(
        self, platform: PushPlatforms | str, token: str | Mapping[str, Any], *, provider_id: str | None = None
    ) -> str:
        """Register this device for push notifications. Call it after each login, and when the token changes.

        The registration belongs to this login: it ends with `logout()`, and when the auth token is revoked. A token
        that another user of the device had registered belongs to this user from now on.

        Args:
            platform: the service through which the device receives notifications.
            token: the token from FCM or APNs; for `web_push` the browser's subscription, as JSON text or as an object.
            provider_id: the app's name for the push provider. The server only stores and shows it; None for none.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `INVALID_PUSH_PLATFORM` when the platform is not one of `PushPlatforms`;
                `INVALID_FCM_TOKEN`, `INVALID_APNS_DEVICE_TOKEN`, `INVALID_APNS_VOIP_TOKEN`,
                `INVALID_WEB_PUSH_SUBSCRIPTION` when the token is not one of the platform; `ERR_PROVIDER_NOT_FOUND`
                when the server is not set up for the platform.
        """
        if str(platform) not in list(PushPlatforms):
            raise failure("INVALID_PUSH_PLATFORM")
        text = dumps(dict(token)) if isinstance(token, Mapping) else token
        body = {"platform": str(platform), "pushToken": text, **({"providerId": provider_id} if provider_id else {})}
        await self._parts.requests.ask("POST", TOKENS_PATH, body=body)
        return REGISTERED_TEXT

    async def unregister_push_token(self) -> str:
        """End the push notifications to this device. `logout()` does so as well.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return text_of(await self._parts.requests.ask("DELETE", TOKENS_PATH))

    async def get_web_push_key(self) -> str:
        """Return the server's public key for Web Push, which a web page passes as `applicationServerKey` to subscribe.

        Raises:
            CometChatException: `ERR_PROVIDER_NOT_FOUND` when the server is not set up for Web Push;
                `ERR_BAD_ERROR_RESPONSE` when the response contains no key.
        """
        answer = await self._parts.requests.ask("GET", "/notifications/push/v1/web")
        key = answer.get("publicKey") if isinstance(answer, dict) else None
        if not isinstance(key, str):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer contains no key.")
        return key

    async def fetch_notification_preferences(self) -> NotificationPreferences:
        """Return what the logged-in user wants to be notified of.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._parts.requests.fetch(preferences_from_wire, "GET", PREFERENCES_PATH)

    async def update_notification_preferences(self, preferences: NotificationPreferences) -> NotificationPreferences:
        """Change what the logged-in user wants to be notified of.

        Args:
            preferences: the new values; fields that are None stay as they are.

        Returns:
            All preferences, after the change.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when a preference is not valid; or another code that any call may
                raise.
        """
        body = preferences_to_wire(preferences)
        return await self._parts.requests.fetch(preferences_from_wire, "PUT", PREFERENCES_PATH, body=body)

    async def reset_notification_preferences(self) -> NotificationPreferences:
        """Reset all preferences of the logged-in user to their defaults.

        Returns:
            The defaults.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._parts.requests.fetch(preferences_from_wire, "DELETE", PREFERENCES_PATH)

    async def get_muted_conversations(self) -> list[MutedConversation]:
        """Return the conversations that the logged-in user has muted.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return await self._parts.requests.fetch(muted_from_wire, "GET", PREFERENCES_PATH + "/mute")

    async def mute_conversations(self, conversations: Sequence[MutedConversation]) -> str:
        """Mute conversations, each until the time that it names.

        Args:
            conversations: at most 100, each with the time until which it is muted, in milliseconds since 1970.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when there are none or too many, or a type or time is invalid;
                `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND` when there is no such user or group, `ERR_NOT_A_MEMBER` when
                the logged-in user is not a member.
        """
        named = [{"id": one.id, "type": str(one.type), "until": one.until} for one in conversations]
        await self._parts.requests.ask("PUT", PREFERENCES_PATH + "/mute", body={"conversations": named})
        return "Conversations muted successfully"

    async def unmute_conversations(self, conversations: Sequence[UnmutedConversation | MutedConversation]) -> str:
        """Unmute conversations before the time until which they are muted.

        Args:
            conversations: at most 100.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when there are none or too many, or a type is invalid.
        """
        named = [{"id": one.id, "type": str(one.type)} for one in conversations]
        await self._parts.requests.ask("DELETE", PREFERENCES_PATH + "/mute", body={"conversations": named})
        return "Conversations unmuted successfully"

    async def get_timezone(self) -> str:
        """Return the logged-in user's time zone; "" if it is unknown.

        Raises:
            CometChatException: `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the login has ended; or another code that any call
                may raise.
        """
        return _timezone_of(await self._parts.requests.ask("GET", TIMEZONE_PATH))

    async def update_timezone(self, timezone: str) -> str:
        """Store the logged-in user's time zone. The times in their notification schedule are times of this zone.

        Args:
            timezone: a name such as `Europe/Berlin`.

        Returns:
            The time zone that the server stored.

        Raises:
            CometChatException: `ERR_BAD_REQUEST` when the time zone is unknown.
        """
        return _timezone_of(await self._parts.requests.ask("PUT", TIMEZONE_PATH, body={"timezone": timezone}))


def _timezone_of(answer: Any) -> str:
    found = answer.get("timezone") if isinstance(answer, dict) else None
    return found if isinstance(found, str) else ""
