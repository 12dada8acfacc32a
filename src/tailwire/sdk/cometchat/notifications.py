"""The class `CometChatNotifications`, with static methods for push notifications like those of CometChat's SDKs."""

from __future__ import annotations

from collections.abc import Sequence

from tailwire.sdk.calls.outcome import OnError, OnSuccess, with_callbacks
from tailwire.sdk.cometchat.current_client import CurrentClient
from tailwire.sdk.exceptions import failure
from tailwire.wire.notifications import (
    MutedConversation,
    NotificationPreferences,
    PushPlatforms,
    UnmutedConversation,
)

_TOKEN_FIELDS = {
    PushPlatforms.FCM_FLUTTER_ANDROID: ("fcm_token", "INVALID_FCM_TOKEN"),
    PushPlatforms.FCM_FLUTTER_IOS: ("fcm_token", "INVALID_FCM_TOKEN"),
    PushPlatforms.APNS_FLUTTER_DEVICE: ("device_token", "INVALID_APNS_DEVICE_TOKEN"),
    PushPlatforms.APNS_FLUTTER_VOIP: ("voip_token", "INVALID_APNS_VOIP_TOKEN"),
    PushPlatforms.WEB_PUSH: ("subscription", "INVALID_WEB_PUSH_SUBSCRIPTION"),
}


class CometChatNotifications(CurrentClient):
    """Static methods for push notifications, as CometChat's own SDKs have them. They call the current client.

    That is the client that `CometChat.init()` creates. All methods also take the callbacks `on_success` and `on_error`,
    as the methods of `CometChat` do.
    """

    @classmethod
    async def register_push_token(
        cls,
        push_platform: PushPlatforms,
        *,
        fcm_token: str | None = None,
        device_token: str | None = None,
        voip_token: str | None = None,
        subscription: str | None = None,
        provider_id: str | None = None,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str | None:
        """Register this device for push notifications.

        See `ChatClient.register_push_token`.

        Args:
            push_platform: the service through which the device receives notifications. It decides which of the four
                tokens is used; the others are ignored.
            fcm_token: the token of the platforms whose names begin with `FCM`.
            device_token: the token of `APNS_FLUTTER_DEVICE`.
            voip_token: the token of `APNS_FLUTTER_VOIP`.
            subscription: for `WEB_PUSH`, the browser's subscription as JSON text.
        """
        tokens = {
            "fcm_token": fcm_token,
            "device_token": device_token,
            "voip_token": voip_token,
            "subscription": subscription,
        }

        async def register() -> str:
            if push_platform not in list(PushPlatforms):
                raise failure("INVALID_PUSH_PLATFORM")
            name, code = _TOKEN_FIELDS[PushPlatforms(push_platform)]
            token = tokens[name]
            if not token:
                raise failure(code)
            return await cls.require_client().register_push_token(push_platform, token, provider_id=provider_id)

        return await with_callbacks(register, on_success, on_error)

    @classmethod
    async def unregister_push_token(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """End the push notifications to this device.

        See `ChatClient.unregister_push_token`.
        """
        return await with_callbacks(lambda: cls.require_client().unregister_push_token(), on_success, on_error)

    @classmethod
    async def fetch_preferences(
        cls, *, on_success: OnSuccess[NotificationPreferences] = None, on_error: OnError = None
    ) -> NotificationPreferences | None:
        """Return what the logged-in user wants to be notified of.

        See `ChatClient.fetch_notification_preferences`.
        """
        return await with_callbacks(lambda: cls.require_client().fetch_notification_preferences(), on_success, on_error)

    @classmethod
    async def update_preferences(
        cls,
        notification_preferences: NotificationPreferences,
        *,
        on_success: OnSuccess[NotificationPreferences] = None,
        on_error: OnError = None,
    ) -> NotificationPreferences | None:
        """Change what the logged-in user wants to be notified of.

        See `ChatClient.update_notification_preferences`.
        """
        return await with_callbacks(
            lambda: cls.require_client().update_notification_preferences(notification_preferences),
            on_success,
            on_error,
        )

    @classmethod
    async def reset_preferences(
        cls, *, on_success: OnSuccess[NotificationPreferences] = None, on_error: OnError = None
    ) -> NotificationPreferences | None:
        """Reset all preferences of the logged-in user to their defaults.

        See `ChatClient.reset_notification_preferences`.
        """
        return await with_callbacks(lambda: cls.require_client().reset_notification_preferences(), on_success, on_error)

    @classmethod
    async def get_muted_conversations(
        cls, *, on_success: OnSuccess[list[MutedConversation]] = None, on_error: OnError = None
    ) -> list[MutedConversation] | None:
        """Return the conversations that the logged-in user has muted.

        See `ChatClient.get_muted_conversations`.
        """
        return await with_callbacks(lambda: cls.require_client().get_muted_conversations(), on_success, on_error)

    @classmethod
    async def mute_conversations(
        cls,
        muted_conversations: Sequence[MutedConversation],
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str | None:
        """Mute conversations, each until the time that it names.

        See `ChatClient.mute_conversations`.
        """
        return await with_callbacks(
            lambda: cls.require_client().mute_conversations(muted_conversations), on_success, on_error
        )

    @classmethod
    async def unmute_conversations(
        cls,
        unmuted_conversations: Sequence[UnmutedConversation | MutedConversation],
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
    ) -> str | None:
        """Unmute conversations before the time until which they are muted.

        See `ChatClient.unmute_conversations`.
        """
        return await with_callbacks(
            lambda: cls.require_client().unmute_conversations(unmuted_conversations), on_success, on_error
        )

    @classmethod
    async def get_timezone(cls, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str | None:
        """Return the logged-in user's time zone; "" if it is unknown.

        See `ChatClient.get_timezone`.
        """
        return await with_callbacks(lambda: cls.require_client().get_timezone(), on_success, on_error)

    @classmethod
    async def update_timezone(
        cls, timezone: str, *, on_success: OnSuccess[str] = None, on_error: OnError = None
    ) -> str | None:
        """Store the logged-in user's time zone.

        See `ChatClient.update_timezone`.
        """
        return await with_callbacks(lambda: cls.require_client().update_timezone(timezone), on_success, on_error)
