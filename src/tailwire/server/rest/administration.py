"""What only a REST key may do, over HTTP: API keys, auth tokens, roles, webhooks."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.keys import Keys, NewKey, TokenChange
from tailwire.server.actions.roles import NewRole, Roles
from tailwire.server.actions.webhooks import NewWebhook, WebhookAdministration
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import DeliveryQuery, Paged, SearchQuery


class Restrict(msgspec.Struct, rename="camel"):
    """What a role may not do."""

    features_to_restrict: list[str] = []


class Allow(msgspec.Struct, rename="camel"):
    """What a role may do again."""

    features_to_allow: list[str] = []
    allow_all: bool = False


class AdministrationRoutes:
    """The resources `apikeys`, `auth_tokens`, `roles` and `webhooks`."""

    def __init__(self, keys: Keys, roles: Roles, webhooks: WebhookAdministration) -> None:
        self._keys = keys
        self._roles = roles
        self._webhooks = webhooks

    def operations(self) -> list[Operation]:
        """The operations."""
        return [*self._of_keys(), *self._of_tokens(), *self._of_roles(), *self._of_webhooks()]

    def _of_keys(self) -> list[Operation]:
        k, one, admin = self._keys, responses.ApiKey, Access.ADMIN
        path = "/apikeys/{key}"
        return [
            Operation("POST", "/apikeys", "Create an API key", lambda c: k.create(c.body), access=admin, body=NewKey,
                      response=one),
            Operation("GET", "/apikeys", "List API keys", self._list_keys, access=admin, query=SearchQuery,
                      response=list[responses.ApiKey], enveloped=True),
            Operation("GET", path, "See an API key", lambda c: k.get(c.params["key"]), access=admin, response=one),
            Operation("PUT", path, "Change an API key",
                      lambda c: k.update(c.params["key"], c.body, c.header(b"apikey")), access=admin, body=NewKey,
                      response=one),
            Operation("DELETE", path, "Delete an API key",
                      lambda c: k.delete(c.params["key"], c.header(b"apikey")), access=admin, response=responses.Done),
        ]  # fmt: skip

    def _of_tokens(self) -> list[Operation]:
        k, one, admin = self._keys, responses.AuthToken, Access.ADMIN
        path = "/users/{uid}/auth_tokens"
        return [
            Operation("GET", path, "List a user's auth tokens", self._list_tokens, access=admin, query=Paged,
                      response=list[responses.AuthToken], enveloped=True),
            Operation("DELETE", path, "Take all auth tokens of a user back",
                      lambda c: k.delete_tokens(c.params["uid"]), access=admin, response=responses.Done),
            Operation("GET", path + "/{token}", "See an auth token",
                      lambda c: k.token(c.params["uid"], c.params["token"]), access=admin, response=one),
            Operation("PUT", path + "/{token}", "Say for which device an auth token is",
                      lambda c: k.change_token(c.params["uid"], c.params["token"], c.body), access=admin,
                      body=TokenChange, response=one),
            Operation("DELETE", path + "/{token}", "Take an auth token back",
                      lambda c: k.delete_token(c.params["uid"], c.params["token"]), access=admin,
                      response=responses.Done),
        ]  # fmt: skip

    def _of_roles(self) -> list[Operation]:
        r, one, admin = self._roles, responses.Role, Access.ADMIN
        path = "/roles/{role}"
        features = path + "/restrictedfeatures"
        outcome = dict[str, responses.Outcome]
        return [
            Operation("POST", "/roles", "Create a role", lambda c: r.create(c.body), access=admin, body=NewRole,
                      response=one),
            Operation("GET", "/roles", "List roles", self._list_roles, access=admin, query=Paged,
                      response=list[responses.Role], enveloped=True),
            Operation("GET", path, "See a role", lambda c: r.get(c.params["role"]), access=admin, response=one),
            Operation("PUT", path, "Change a role", lambda c: r.update(c.params["role"], c.body), access=admin,
                      body=NewRole, response=one),
            Operation("DELETE", path, "Delete a role", self._delete_role, access=admin, response=responses.Done),
            Operation("POST", features, "Take features from a role",
                      lambda c: r.restrict(c.params["role"], c.body.features_to_restrict), access=admin, body=Restrict,
                      response=outcome),
            Operation("DELETE", features, "Give features back to a role",
                      lambda c: r.allow(c.params["role"], c.body.features_to_allow, everything=c.body.allow_all),
                      access=admin, body=Allow, response=outcome),
            Operation("GET", features, "List the features that a role may not use",
                      lambda c: r.restricted(c.params["role"], limit=c.query.size, number=c.query.page), access=admin,
                      query=Paged, response=list[responses.Feature], enveloped=True),
        ]  # fmt: skip

    def _of_webhooks(self) -> list[Operation]:
        w, one, admin = self._webhooks, responses.Webhook, Access.ADMIN
        path = "/webhooks/{id}"
        return [
            Operation("POST", "/webhooks", "Create a webhook", lambda c: w.create(c.body), access=admin,
                      body=NewWebhook, response=one),
            Operation("GET", "/webhooks", "List webhooks", lambda c: w.listed(), access=admin,
                      response=list[responses.Webhook]),
            Operation("GET", "/webhooks/triggers", "List what a webhook can be told of", lambda c: w.triggers(),
                      access=admin, response=list[responses.Trigger]),
            Operation("GET", path, "See a webhook", lambda c: w.get(c.params["id"]), access=admin, response=one),
            Operation("PUT", path, "Change a webhook", lambda c: w.update(c.params["id"], c.body), access=admin,
                      body=NewWebhook, response=one),
            Operation("DELETE", path, "Delete a webhook", lambda c: w.delete(c.params["id"]), access=admin,
                      response=responses.Done),
            *self._of_deliveries(),
        ]  # fmt: skip

    def _of_deliveries(self) -> list[Operation]:
        w, admin = self._webhooks, Access.ADMIN
        path = "/webhooks/{id}/deliveries"
        return [
            Operation("GET", path, "List what a webhook could not be told", self._list_deliveries, access=admin,
                      query=DeliveryQuery, response=list[responses.Delivery], enveloped=True),
            Operation("POST", f"{path}/retry", "Send again all that a webhook could not be told",
                      lambda c: w.send_failed_again(c.params["id"]), access=admin, response=responses.Done),
            Operation("GET", f"{path}/{{delivery}}", "See what a webhook could not be told",
                      lambda c: w.delivery(c.params["id"], c.params["delivery"]), access=admin,
                      response=responses.Delivery),
            Operation("POST", f"{path}/{{delivery}}/retry", "Send one delivery again",
                      lambda c: w.send_again(c.params["id"], c.params["delivery"]), access=admin,
                      response=responses.Done),
        ]  # fmt: skip

    async def _list_deliveries(self, call: Call) -> dict[str, Any]:
        q: DeliveryQuery = call.query
        return await self._webhooks.deliveries(call.params["id"], status=q.status, limit=q.size, number=q.page)

    async def _list_keys(self, call: Call) -> dict[str, Any]:
        q: SearchQuery = call.query
        return await self._keys.listed(scope=q.scope, search=q.search_key, limit=q.size, number=q.page)

    async def _list_tokens(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        return await self._keys.tokens(call.params["uid"], limit=q.size, number=q.page)

    async def _list_roles(self, call: Call) -> dict[str, Any]:
        return await self._roles.listed(limit=call.query.size, number=call.query.page)

    async def _delete_role(self, call: Call) -> dict[str, Any]:
        return {"success": True, "message": await self._roles.delete(call.params["role"])}
