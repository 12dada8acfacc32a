"""REST operations that need a REST key: API keys, auth tokens, roles, webhooks."""

from __future__ import annotations

from typing import Any

from tailwire.server.actions.keys import Keys
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.webhooks import WebhookAdministration
from tailwire.server.auth.secrets import KEY_ID_CHARACTERS
from tailwire.server.rest import admin_requests, requests, responses
from tailwire.server.rest.admin_payloads import (
    delivery_payload,
    delivery_with_data,
    feature_payload,
    key_payload,
    role_payload,
    token_payload,
    webhook_payload,
)
from tailwire.server.rest.cursors import Order
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import DeliveryQuery, KeyQuery, Paged
from tailwire.server.rest.results import confirmation, outcomes, page
from tailwire.server.rules.triggers import TRIGGERS

_KEYS = Order("created", {"created_at": int, "key_hash": str})
_DELIVERIES = {
    "failed": Order("failed", {"failed_at": int, "id": int}),
    "waiting": Order("waiting", {"id": int}),
}


class KeyRoutes:
    """The REST operations on API keys and on the auth tokens of users."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, admin = responses.ApiKey, Access.ADMIN
        path = "/apikeys/{key}"
        return [
            Operation("POST", "/apikeys", "Create an API key", self._create, access=admin,
                      body=admin_requests.ApiKeyFields, response=one),
            Operation("GET", "/apikeys", "List API keys", self._list, access=admin, query=KeyQuery,
                      response=list[responses.ApiKey], enveloped=True),
            Operation("GET", path, "Get an API key", self._get, access=admin, response=one),
            Operation("PUT", path, "Change an API key", self._update, access=admin, body=admin_requests.ApiKeyFields,
                      response=one),
            Operation("DELETE", path, "Delete an API key", self._delete, access=admin, body=admin_requests.EndApiKey,
                      response=responses.EndedApiKey),
            *self._token_operations("/users/{uid}/auth_tokens"),
        ]  # fmt: skip

    def _token_operations(self, path: str) -> list[Operation]:
        one, admin = responses.AuthToken, Access.ADMIN
        return [
            Operation("GET", path, "List a user's auth tokens", self._list_tokens, access=admin, query=Paged,
                      response=list[responses.AuthToken], enveloped=True),
            Operation("DELETE", path, "Revoke all auth tokens of a user", self._delete_tokens, access=admin,
                      response=responses.Confirmation),
            Operation("GET", path + "/{token}", "Get an auth token", self._get_token, access=admin, response=one),
            Operation("PUT", path + "/{token}", "Store the device of an auth token", self._update_token, access=admin,
                      body=requests.UpdateAuthToken, response=one),
            Operation("DELETE", path + "/{token}", "Revoke an auth token", self._delete_token, access=admin,
                      response=responses.Confirmation),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        body: admin_requests.ApiKeyFields = call.body
        return key_payload(*await self._keys.create(body.name, body.scope))

    async def _list(self, call: Call) -> dict[str, Any]:
        q: KeyQuery = call.query
        if q.cursor:
            position = _KEYS.position_in(q.cursor)
            found = await self._keys.list_after(scope=q.scope, search=q.search_key, position=position, limit=q.size + 1)
            return _KEYS.page(found, q.size, key_payload)
        rows, total = await self._keys.list_page(scope=q.scope, search=q.search_key, limit=q.size, offset=q.offset)
        return page(q, [key_payload(row) for row in rows], total)

    async def _get(self, call: Call) -> dict[str, Any]:
        key = call.params["key"]
        return key_payload(await self._keys.get(key), _full_key_or_empty(key))

    async def _update(self, call: Call) -> dict[str, Any]:
        key, body = call.params["key"], call.body
        row = await self._keys.update(key, body.name, body.scope, call.header(b"apikey"))
        return key_payload(row, _full_key_or_empty(key))

    async def _delete(self, call: Call) -> dict[str, Any]:
        key = call.params["key"]
        left = await self._keys.delete(key, call.header(b"apikey"), call.body.grace)
        if left is not None:
            return {**confirmation("The API key ends."), "expiresAt": left.expires_at}
        return confirmation(f"The Api Key {key} has been deleted successfully.")

    async def _list_tokens(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        rows, total = await self._keys.tokens(call.params["uid"], limit=q.size, offset=q.offset)
        return page(q, [token_payload(row) for row in rows], total)

    async def _get_token(self, call: Call) -> dict[str, Any]:
        token = call.params["token"]
        return token_payload(await self._keys.token(call.params["uid"], token), token)

    async def _update_token(self, call: Call) -> dict[str, Any]:
        token, body = call.params["token"], call.body
        return token_payload(await self._keys.change_token(call.params["uid"], token, body.to_device()), token)

    async def _delete_token(self, call: Call) -> dict[str, Any]:
        uid = await self._keys.delete_token(call.params["uid"], call.params["token"])
        return confirmation(f"The auth token of the user {uid} has been deleted successfully.")

    async def _delete_tokens(self, call: Call) -> dict[str, Any]:
        uid = await self._keys.delete_tokens(call.params["uid"])
        return confirmation(f"Cleared Auth Tokens successfully for uid {uid}.")


class RoleRoutes:
    """The REST operations on roles and on the features that they may not use."""

    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, admin = responses.Role, Access.ADMIN
        path = "/roles/{role}"
        features = path + "/restrictedfeatures"
        outcome = dict[str, responses.Outcome]
        return [
            Operation("POST", "/roles", "Create a role", self._create, access=admin, body=admin_requests.RoleBody,
                      response=one),
            Operation("GET", "/roles", "List roles", self._list, access=admin, query=Paged,
                      response=list[responses.Role], enveloped=True),
            Operation("GET", path, "Get a role", self._get, access=admin, response=one),
            Operation("PUT", path, "Change a role", self._update, access=admin, body=admin_requests.RoleBody,
                      response=one),
            Operation("DELETE", path, "Delete a role", self._delete, access=admin, response=responses.Confirmation),
            Operation("POST", features, "Restrict features for a role", self._restrict, access=admin,
                      body=admin_requests.RestrictFeatures, response=outcome),
            Operation("DELETE", features, "Allow a role to use features again", self._allow, access=admin,
                      body=admin_requests.AllowFeatures, response=outcome),
            Operation("GET", features, "List the features that a role may not use", self._list_restricted,
                      access=admin, query=Paged, response=list[responses.RestrictedFeature], enveloped=True),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        body: admin_requests.RoleBody = call.body
        return role_payload(await self._roles.create(body.role, body.to_fields()))

    async def _list(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        rows, total = await self._roles.list_page(limit=q.size, offset=q.offset)
        return page(q, [role_payload(row) for row in rows], total)

    async def _get(self, call: Call) -> dict[str, Any]:
        return role_payload(await self._roles.get(call.params["role"]))

    async def _update(self, call: Call) -> dict[str, Any]:
        return role_payload(await self._roles.update(call.params["role"], call.body.to_fields()))

    async def _delete(self, call: Call) -> dict[str, Any]:
        role = call.params["role"]
        await self._roles.delete(role)
        return confirmation(f"Role {role} has been deleted successfully.")

    async def _restrict(self, call: Call) -> dict[str, Any]:
        role = call.params["role"]
        found = await self._roles.restrict(role, call.body.features_to_restrict)
        return outcomes(found, f"The feature is restricted for the role {role}.")

    async def _allow(self, call: Call) -> dict[str, Any]:
        role, body = call.params["role"], call.body
        found = await self._roles.allow(role, body.features_to_allow, everything=body.allow_all)
        return outcomes(found, f"The feature is allowed for the role {role}.")

    async def _list_restricted(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        features = await self._roles.restricted(call.params["role"])
        payloads = [feature_payload(feature) for feature in features[q.offset : q.offset + q.size]]
        return page(q, payloads, len(features))


class WebhookRoutes:
    """The REST operations on webhooks, their triggers and their deliveries."""

    def __init__(self, webhooks: WebhookAdministration) -> None:
        self._webhooks = webhooks

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, admin = responses.Webhook, Access.ADMIN
        path = "/webhooks/{id}"
        return [
            Operation("POST", "/webhooks", "Create a webhook", self._create, access=admin,
                      body=admin_requests.WebhookBody, response=one),
            Operation("GET", "/webhooks", "List webhooks", self._list, access=admin, response=list[responses.Webhook]),
            Operation("GET", "/webhooks/triggers", "List the triggers of webhooks", self._list_triggers, access=admin,
                      response=list[responses.WebhookTrigger]),
            Operation("GET", path, "Get a webhook", self._get, access=admin, response=one),
            Operation("PUT", path, "Change a webhook", self._update, access=admin, body=admin_requests.WebhookBody,
                      response=one),
            Operation("DELETE", path, "Delete a webhook", self._delete, access=admin, response=responses.Confirmation),
            *self._delivery_operations(path + "/deliveries"),
        ]  # fmt: skip

    def _delivery_operations(self, path: str) -> list[Operation]:
        admin = Access.ADMIN
        return [
            Operation("GET", path, "List the failed or waiting deliveries of a webhook", self._list_deliveries,
                      access=admin, query=DeliveryQuery, response=list[responses.WebhookDelivery], enveloped=True),
            Operation("POST", path + "/retry", "Send all failed deliveries of a webhook again", self._retry_failed,
                      access=admin, response=responses.Confirmation),
            Operation("GET", path + "/{delivery}", "Get a failed or waiting delivery", self._get_delivery,
                      access=admin, response=responses.WebhookDelivery),
            Operation("POST", path + "/{delivery}/retry", "Send a delivery again", self._retry, access=admin,
                      response=responses.Confirmation),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        body: admin_requests.WebhookBody = call.body
        webhook, secret = await self._webhooks.create(body.id, body.to_fields())
        return {**webhook_payload(webhook), "secret": secret}

    async def _list(self, call: Call) -> list[dict[str, Any]]:
        return [webhook_payload(webhook) for webhook in await self._webhooks.list_all()]

    async def _list_triggers(self, call: Call) -> list[dict[str, str]]:
        return [{"trigger": name, "description": description} for name, description in TRIGGERS.items()]

    async def _get(self, call: Call) -> dict[str, Any]:
        return webhook_payload(await self._webhooks.get(call.params["id"]))

    async def _update(self, call: Call) -> dict[str, Any]:
        return webhook_payload(await self._webhooks.update(call.params["id"], call.body.to_fields()))

    async def _delete(self, call: Call) -> dict[str, Any]:
        await self._webhooks.delete(call.params["id"])
        return confirmation(f"The webhook {call.params['id']} has been deleted successfully.")

    async def _list_deliveries(self, call: Call) -> dict[str, Any]:
        q: DeliveryQuery = call.query
        failed = q.status == "failed"
        if q.cursor:
            order = _DELIVERIES[q.status]
            position = order.position_in(q.cursor)
            found = await self._webhooks.deliveries_after(
                call.params["id"], failed=failed, position=position, limit=q.size + 1
            )
            return order.page(found, q.size, delivery_payload)
        rows, total = await self._webhooks.deliveries(call.params["id"], failed=failed, limit=q.size, offset=q.offset)
        return page(q, [delivery_payload(row) for row in rows], total)

    async def _get_delivery(self, call: Call) -> dict[str, Any]:
        return delivery_with_data(await self._webhooks.delivery(call.params["id"], call.params["delivery"]))

    async def _retry(self, call: Call) -> dict[str, Any]:
        name = call.params["delivery"]
        await self._webhooks.retry(call.params["id"], name)
        return confirmation(f"The delivery {name} is sent again.")

    async def _retry_failed(self, call: Call) -> dict[str, Any]:
        count = await self._webhooks.retry_failed(call.params["id"])
        return confirmation(f"{count} deliveries are sent again.")


def _full_key_or_empty(key: str) -> str:
    # A key that the client named by its id is shown by its last characters.
    return key if len(key) != KEY_ID_CHARACTERS else ""
