"""The types of responses about keys, auth tokens, roles, webhooks and the audit log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tailwire.server.rest.response_base import Shape, Timestamp


class ApiKey(Shape, kw_only=True):
    """An API key. Lists contain only the last characters of the key. The logs name a key by its `id`."""

    id: str
    api_key: str
    name: str
    scope: str
    created_at: Timestamp
    expires_at: Timestamp = 0
    last_used_at: Timestamp = 0


class AuditEntry(Shape, kw_only=True):
    """An entry of the audit log."""

    id: int
    at: Timestamp
    kind: Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["change", "behalf", "use"]})]
    actor: str
    key_name: str = ""
    on_behalf_of: str = ""
    action: str
    target: str = ""
    details: str = ""
    address: str = ""
    request_id: str = ""


class AuthToken(Shape, kw_only=True):
    """An auth token of a user. Lists contain only the last characters of the token."""

    uid: str
    auth_token: str
    created_at: Timestamp
    expires_at: Timestamp = 0
    platform: str = ""
    user_agent: str = ""
    app_info: dict[str, Any] = {}


class Role(Shape, kw_only=True):
    """A role of users."""

    role: str
    name: str
    description: str = ""
    metadata: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    created_at: Timestamp = 0
    updated_at: Timestamp = 0


class RestrictedFeature(Shape, kw_only=True):
    """A feature that a role may not use."""

    title: str
    description: str
    key: str
    path: str
    created_at: Timestamp


class WebhookState(Shape, kw_only=True):
    """The state of a webhook's queue. Times are in seconds since 1970."""

    waiting: int
    waiting_since: Timestamp = 0
    failed: int
    failing_since: Timestamp = 0
    last_success_at: Timestamp = 0
    last_failure_at: Timestamp = 0
    last_failure: str = ""


class Webhook(Shape, kw_only=True):
    """A receiver of events. The secret is only in the response to its creation."""

    id: str
    name: str
    webhook_url: str
    triggers: list[str]
    username: str = ""
    secret: str = ""
    retry_on_failure: bool
    enabled: bool
    created_at: Timestamp
    state: WebhookState


class WebhookTrigger(Shape, kw_only=True):
    """An event for which a webhook can be registered."""

    trigger: str
    description: str


class WebhookDelivery(Shape, kw_only=True):
    """A delivery that is waiting or has failed. Lists omit `data`."""

    id: str
    trigger: str
    status: str
    attempts: int
    queued_at: Timestamp
    last_try_at: Timestamp = 0
    next_try_at: Timestamp = 0
    failed_at: Timestamp = 0
    problem: str = ""
    data: dict[str, Any] = {}
