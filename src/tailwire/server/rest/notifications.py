"""REST operations on push notifications: devices, preferences, muted conversations, and deliveries."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.notifications import Mute, Notifications
from tailwire.server.ports.push_records import NOTIFICATION_TIMES, NotificationRow, PushTokenRow
from tailwire.server.rest import notification_shapes as shapes
from tailwire.server.rest import responses
from tailwire.server.rest.cursors import Order
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import Paged
from tailwire.server.rest.results import confirmation, page
from tailwire.server.rules.preferences import Preferences

HINT_CHARACTERS = 8
_DEVICES = Order("updated", {"updated_at": int, "token_hash": str})


class NotificationRoutes:
    """The REST operations on push notifications."""

    def __init__(self, notifications: Notifications) -> None:
        self._notifications = notifications

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [*self._token_operations("/notifications/push/v1/tokens"),
                *self._preference_operations("/notifications/v1/preferences"),
                *self._failed_operations("/notifications/push/v1/failed"),
                *self._delivery_operations("/notifications/push/v1")]  # fmt: skip

    def _token_operations(self, path: str) -> list[Operation]:
        return [
            Operation("POST", path, "Register a device for push notifications", self._register, acts_for_user=True,
                      body=shapes.RegisterPushToken, response=shapes.PushTokens),
            Operation("GET", path, "List devices that receive push notifications", self._list, acts_for_user=True,
                      response=shapes.PushTokens),
            Operation("DELETE", path, "Remove the devices of an auth token", self._unregister, acts_for_user=True,
                      body=shapes.UnregisterPushToken, response=responses.Confirmation),
            Operation("DELETE", path + "/{token}", "Remove a device", self._unregister, acts_for_user=True,
                      body=shapes.UnregisterPushToken, response=responses.Confirmation),
            Operation("GET", "/notifications/push/v1/web", "Get the key that browsers subscribe with",
                      self._get_web_key, response=shapes.WebPushKey),
        ]  # fmt: skip

    def _preference_operations(self, path: str) -> list[Operation]:
        one, muted, mute = shapes.NotificationPreferences, shapes.MutedConversations, path + "/mute"
        zone = "/notifications/v1/timezone"
        return [
            Operation("GET", path, "Get the preferences for notifications", self._get_preferences, acts_for_user=True,
                      response=one),
            Operation("PUT", path, "Change the preferences for notifications", self._change_preferences,
                      acts_for_user=True, body=shapes.ChangePreferences, response=one),
            Operation("DELETE", path, "Reset the preferences for notifications", self._reset_preferences,
                      acts_for_user=True, response=one),
            Operation("GET", mute, "List muted conversations", self._list_muted, acts_for_user=True, response=muted),
            Operation("PUT", mute, "Mute conversations", self._mute, acts_for_user=True, body=shapes.MuteConversations,
                      response=muted),
            Operation("DELETE", mute, "Unmute conversations", self._unmute, acts_for_user=True,
                      body=shapes.MuteConversations, response=muted),
            Operation("GET", zone, "Get the time zone of a user", self._get_timezone, acts_for_user=True,
                      response=shapes.Timezone),
            Operation("PUT", zone, "Change the time zone of a user", self._change_timezone, acts_for_user=True,
                      body=shapes.ChangeTimezone, response=shapes.Timezone),
        ]  # fmt: skip

    def _failed_operations(self, path: str) -> list[Operation]:
        admin = Access.ADMIN
        return [
            Operation("GET", path, "List push notifications that were given up", self._list_failed, access=admin,
                      query=Paged, response=list[shapes.FailedNotification], enveloped=True),
            Operation("POST", path + "/retry", "Send all push notifications again that were given up",
                      self._send_all_again, access=admin, response=shapes.RetriedNotifications),
            Operation("POST", path + "/{id}/retry", "Send a push notification again that was given up",
                      self._send_again, access=admin, response=responses.Confirmation),
        ]  # fmt: skip

    def _delivery_operations(self, path: str) -> list[Operation]:
        admin = Access.ADMIN
        return [
            Operation("GET", path + "/devices", "List the devices of all users that receive push notifications",
                      self._list_all_devices, access=admin, query=shapes.DevicesQuery, response=list[shapes.PushToken],
                      enveloped=True),
            Operation("GET", path + "/deliveries", "List push notifications that wait, were sent, or were given up",
                      self._list_deliveries, access=admin, query=shapes.PushDeliveriesQuery,
                      response=list[shapes.PushDelivery], enveloped=True),
            Operation("GET", path + "/deliveries/{id}", "Get a push notification, with what it says",
                      self._get_delivery, access=admin, response=shapes.PushDelivery),
        ]  # fmt: skip

    async def _register(self, call: Call) -> dict[str, Any]:
        body: shapes.RegisterPushToken = call.body
        row = await self._notifications.register(
            call.caller, body.platform, body.token, body.provider_id, body.auth_token
        )
        return {"pushTokens": [_token_payload(row)]}

    async def _list(self, call: Call) -> dict[str, Any]:
        return {"pushTokens": [_token_payload(row) for row in await self._notifications.devices(call.caller)]}

    async def _unregister(self, call: Call) -> dict[str, Any]:
        token = call.params.get("token", "")
        count = await self._notifications.unregister(call.caller, token, call.body.auth_token)
        return confirmation(f"Push tokens removed: {count}.")

    async def _get_web_key(self, call: Call) -> dict[str, Any]:
        return {"publicKey": self._notifications.web_key}

    async def _get_preferences(self, call: Call) -> dict[str, Any]:
        return _preferences_payload(await self._notifications.preferences(call.caller))

    async def _change_preferences(self, call: Call) -> dict[str, Any]:
        return _preferences_payload(await self._notifications.change_preferences(call.caller, call.body.to_change()))

    async def _reset_preferences(self, call: Call) -> dict[str, Any]:
        return _preferences_payload(await self._notifications.reset_preferences(call.caller))

    async def _list_muted(self, call: Call) -> dict[str, Any]:
        return _muted_payload(await self._notifications.muted_conversations(call.caller))

    async def _mute(self, call: Call) -> dict[str, Any]:
        return _muted_payload(await self._notifications.mute(call.caller, call.body.to_mutes()))

    async def _unmute(self, call: Call) -> dict[str, Any]:
        return _muted_payload(await self._notifications.unmute(call.caller, call.body.to_mutes()))

    async def _get_timezone(self, call: Call) -> dict[str, Any]:
        return {"timezone": await self._notifications.timezone(call.caller)}

    async def _change_timezone(self, call: Call) -> dict[str, Any]:
        return {"timezone": await self._notifications.change_timezone(call.caller, call.body.timezone)}

    async def _list_failed(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        rows, total = await self._notifications.list_failed(limit=q.size, offset=q.offset)
        return page(q, [_failed_payload(row) for row in rows], total)

    async def _list_all_devices(self, call: Call) -> dict[str, Any]:
        q: shapes.DevicesQuery = call.query
        position = _DEVICES.position_in(q.cursor)
        rows = await self._notifications.all_devices(q.uid.lower(), position, q.limit + 1)
        return _DEVICES.page(rows, q.limit, _token_payload)

    async def _list_deliveries(self, call: Call) -> dict[str, Any]:
        q: shapes.PushDeliveriesQuery = call.query
        order = Order(q.status, {NOTIFICATION_TIMES[q.status]: int, "id": int})
        position = order.position_in(q.cursor)
        rows = await self._notifications.deliveries(q.status, q.uid.lower(), position, q.limit + 1)
        return order.page(rows, q.limit, _delivery_payload)

    async def _get_delivery(self, call: Call) -> dict[str, Any]:
        row, content = await self._notifications.delivery(call.params["id"])
        extra = {} if content is None else {"content": {
            "title": content.title, "body": content.body, "badge": content.badge, "silent": content.silent,
            "data": dict(content.data),
        }}  # fmt: skip
        return {**_delivery_payload(row), **extra}

    async def _send_again(self, call: Call) -> dict[str, Any]:
        await self._notifications.send_again(call.params["id"])
        return confirmation("The notification is sent again.")

    async def _send_all_again(self, call: Call) -> dict[str, Any]:
        return {"retried": await self._notifications.send_all_again()}


def _token_payload(row: PushTokenRow) -> dict[str, Any]:
    return {
        "id": row.token_hash,
        "uid": row.uid,
        "platform": row.platform,
        **({"providerId": row.provider_id} if row.provider_id else {}),
        "pushToken": f"…{row.token[-HINT_CHARACTERS:]}" if row.provider != "web" else "…",
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }


def _delivery_payload(row: NotificationRow) -> dict[str, Any]:
    status = "failed" if row.failed_at is not None else "sent" if row.sent_at is not None else "waiting"
    extra = {
        **_failed_payload(row),
        "status": status,
        "reactionId": str(row.reaction_id) if row.reaction_id else None,
        "nextTryAt": row.due_at if status == "waiting" else None,
        "sentAt": row.sent_at,
    }
    return {name: value for name, value in extra.items() if value is not None}


def _preferences_payload(found: Preferences) -> dict[str, Any]:
    payload: dict[str, Any] = msgspec.to_builtins(found)
    return payload


def _muted_payload(mutes: list[Mute]) -> dict[str, Any]:
    return {"mutedConversations": [one._asdict() for one in mutes]}


def _failed_payload(row: NotificationRow) -> dict[str, Any]:
    fields = {
        "id": str(row.id),
        "uid": row.uid,
        "messageId": str(row.message_id),
        "device": row.token_hash,
        "provider": row.provider,
        "attempts": row.attempt,
        "queuedAt": row.queued_at,
        "firstTryAt": row.first_try_at,
        "lastTryAt": row.last_try_at,
        "failedAt": row.failed_at,
        "problem": row.problem,
    }
    return {name: value for name, value in fields.items() if value is not None}
