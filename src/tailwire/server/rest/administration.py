"""What only a REST key may do, over HTTP: API keys, auth tokens, roles, webhooks."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.keys import Keys, NewKey, TokenChange
from tailwire.server.actions.roles import NewRole, Roles
from tailwire.server.actions.webhooks import NewWebhook, WebhookAdministration
from tailwire.server.rest import shapes
from tailwire.server.rest.operations import Call, Operation, Who
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
        k, one, admin = self._keys, shapes.ApiKey, Who.ADMIN
        path = "/apikeys/{key}"
        return [
            Operation("POST", "/apikeys", "Create an API key", lambda c: k.create(c.body), who=admin, body=NewKey,
                      answer=one),
            Operation("GET", "/apikeys", "List API keys", self._list_keys, who=admin, query=SearchQuery,
                      answer=list[shapes.ApiKey], whole=True),
            Operation("GET", path, "See an API key", lambda c: k.get(c.params["key"]), who=admin, answer=one),
            Operation("PUT", path, "Change an API key",
                      lambda c: k.update(c.params["key"], c.body, c.header(b"apikey")), who=admin, body=NewKey,
                      answer=one),
            Operation("DELETE", path, "Delete an API key",
                      lambda c: k.delete(c.params["key"], c.header(b"apikey")), who=admin, answer=shapes.Done),
        ]  # fmt: skip

    def _of_tokens(self) -> list[Operation]:
        k, one, admin = self._keys, shapes.AuthToken, Who.ADMIN
        path = "/users/{uid}/auth_tokens"
        return [
            Operation("GET", path, "List a user's auth tokens", self._list_tokens, who=admin, query=Paged,
                      answer=list[shapes.AuthToken], whole=True),
            Operation("DELETE", path, "Take all auth tokens of a user back",
                      lambda c: k.delete_tokens(c.params["uid"]), who=admin, answer=shapes.Done),
            Operation("GET", path + "/{token}", "See an auth token",
                      lambda c: k.token(c.params["uid"], c.params["token"]), who=admin, answer=one),
            Operation("PUT", path + "/{token}", "Say for which device an auth token is",
                      lambda c: k.change_token(c.params["uid"], c.params["token"], c.body), who=admin,
                      body=TokenChange, answer=one),
            Operation("DELETE", path + "/{token}", "Take an auth token back",
                      lambda c: k.delete_token(c.params["uid"], c.params["token"]), who=admin, answer=shapes.Done),
        ]  # fmt: skip

    def _of_roles(self) -> list[Operation]:
        r, one, admin = self._roles, shapes.Role, Who.ADMIN
        path = "/roles/{role}"
        features = path + "/restrictedfeatures"
        outcome = dict[str, shapes.Outcome]
        return [
            Operation("POST", "/roles", "Create a role", lambda c: r.create(c.body), who=admin, body=NewRole,
                      answer=one),
            Operation("GET", "/roles", "List roles", self._list_roles, who=admin, query=Paged,
                      answer=list[shapes.Role], whole=True),
            Operation("GET", path, "See a role", lambda c: r.get(c.params["role"]), who=admin, answer=one),
            Operation("PUT", path, "Change a role", lambda c: r.update(c.params["role"], c.body), who=admin,
                      body=NewRole, answer=one),
            Operation("DELETE", path, "Delete a role", self._delete_role, who=admin, answer=shapes.Done),
            Operation("POST", features, "Take features from a role",
                      lambda c: r.restrict(c.params["role"], c.body.features_to_restrict), who=admin, body=Restrict,
                      answer=outcome),
            Operation("DELETE", features, "Give features back to a role",
                      lambda c: r.allow(c.params["role"], c.body.features_to_allow, everything=c.body.allow_all),
                      who=admin, body=Allow, answer=outcome),
            Operation("GET", features, "List the features that a role may not use",
                      lambda c: r.restricted(c.params["role"], limit=c.query.size, number=c.query.page), who=admin,
                      query=Paged, answer=list[shapes.Feature], whole=True),
        ]  # fmt: skip

    def _of_webhooks(self) -> list[Operation]:
        w, one, admin = self._webhooks, shapes.Webhook, Who.ADMIN
        path = "/webhooks/{id}"
        return [
            Operation("POST", "/webhooks", "Create a webhook", lambda c: w.create(c.body), who=admin, body=NewWebhook,
                      answer=one),
            Operation("GET", "/webhooks", "List webhooks", lambda c: w.listed(), who=admin,
                      answer=list[shapes.Webhook]),
            Operation("GET", "/webhooks/triggers", "List what a webhook can be told of", lambda c: w.triggers(),
                      who=admin, answer=list[shapes.Trigger]),
            Operation("GET", path, "See a webhook", lambda c: w.get(c.params["id"]), who=admin, answer=one),
            Operation("PUT", path, "Change a webhook", lambda c: w.update(c.params["id"], c.body), who=admin,
                      body=NewWebhook, answer=one),
            Operation("DELETE", path, "Delete a webhook", lambda c: w.delete(c.params["id"]), who=admin,
                      answer=shapes.Done),
            *self._of_deliveries(),
        ]  # fmt: skip

    def _of_deliveries(self) -> list[Operation]:
        w, admin = self._webhooks, Who.ADMIN
        path = "/webhooks/{id}/deliveries"
        return [
            Operation("GET", path, "List what a webhook could not be told", self._list_deliveries, who=admin,
                      query=DeliveryQuery, answer=list[shapes.Delivery], whole=True),
            Operation("POST", f"{path}/retry", "Send again all that a webhook could not be told",
                      lambda c: w.send_failed_again(c.params["id"]), who=admin, answer=shapes.Done),
            Operation("GET", f"{path}/{{delivery}}", "See what a webhook could not be told",
                      lambda c: w.delivery(c.params["id"], c.params["delivery"]), who=admin,
                      answer=shapes.Delivery),
            Operation("POST", f"{path}/{{delivery}}/retry", "Send one delivery again",
                      lambda c: w.send_again(c.params["id"], c.params["delivery"]), who=admin, answer=shapes.Done),
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
