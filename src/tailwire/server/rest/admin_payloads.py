"""The JSON form of API keys, auth tokens, roles and webhooks for administrators. Fields without a value are omitted."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.payloads import stored_json, without_none
from tailwire.server.actions.roles import RestrictedFeature
from tailwire.server.actions.webhooks import Webhook
from tailwire.server.auth.secrets import key_id
from tailwire.server.ports.key_records import KeyRow, TokenRow
from tailwire.server.ports.records import RoleRow
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow, WebhookState
from tailwire.server.rules.features import FEATURES, feature_key


def key_payload(row: KeyRow, key: str = "") -> dict[str, Any]:
    """Return the JSON form of an API key.

    Args:
        key: the whole key, to include it; "" to include only its last characters.
    """
    visible = key or f"…{row.hint}"
    return without_none(
        {
            "id": key_id(row.key_hash),
            "apiKey": visible,
            "name": row.name,
            "scope": row.scope,
            "createdAt": row.created_at,
            "expiresAt": row.expires_at,
            "lastUsedAt": row.used_at,
        }
    )


def token_payload(row: TokenRow, token: str = "") -> dict[str, Any]:
    """Return the JSON form of an auth token.

    Args:
        token: the whole token, to include it; "" to include only its last characters.
    """
    return without_none(
        {
            "uid": row.uid,
            "authToken": token or f"…{row.hint}",
            "createdAt": row.created_at,
            "expiresAt": row.expires_at,
            "platform": row.platform,
            "userAgent": row.user_agent,
            "appInfo": stored_json(row.app_info),
        }
    )


def role_payload(row: RoleRow) -> dict[str, Any]:
    """Return the JSON form of a role."""
    return without_none(
        {
            "role": row.role,
            "name": row.name,
            "description": row.description,
            "metadata": stored_json(row.metadata),
            "settings": stored_json(row.settings),
            "createdAt": row.created_at or None,
            "updatedAt": row.updated_at or None,
        }
    )


def feature_payload(feature: RestrictedFeature) -> dict[str, Any]:
    """Return the JSON form of a feature that a role may not use."""
    name = feature.name
    description, path = FEATURES[name]
    return {
        "title": name,
        "description": description,
        "key": feature_key(name),
        "path": path,
        "createdAt": feature.since,
    }


def webhook_payload(webhook: Webhook) -> dict[str, Any]:
    """Return the JSON form of a webhook, with the state of its queue, but without its password and secret."""
    return {**_fields(webhook.row), "state": _state(webhook.state)}


def _fields(row: WebhookRow) -> dict[str, Any]:
    return without_none(
        {
            "id": row.id,
            "name": row.name,
            "webhookUrl": row.url,
            "triggers": row.triggers.split(","),
            "username": row.username,
            "retryOnFailure": bool(row.retry),
            "enabled": bool(row.enabled),
            "createdAt": row.created_at,
        }
    )


def _state(state: WebhookState) -> dict[str, Any]:
    return without_none(
        {
            "waiting": state.waiting,
            "waitingSince": state.waiting_since,
            "failed": state.failed,
            "failingSince": state.failing_since,
            "lastSuccessAt": state.last_success_at,
            "lastFailureAt": state.last_failure_at,
            "lastFailure": state.last_failure,
        }
    )


def delivery_payload(row: DeliveryRow) -> dict[str, Any]:
    """Return the JSON form of a delivery to a webhook, without the event that it delivers."""
    waits = row.failed_at is None
    return without_none(
        {
            "id": row.name,
            "trigger": row.trigger,
            "status": "waiting" if waits else "failed",
            "attempts": row.attempt,
            "queuedAt": row.queued_at,
            "lastTryAt": row.last_try_at,
            "nextTryAt": row.due_at if waits and row.due_at else None,
            "failedAt": row.failed_at,
            "problem": row.problem,
        }
    )


def delivery_with_data(row: DeliveryRow) -> dict[str, Any]:
    """Return the JSON form of a delivery to a webhook. `data` is the body that the webhook receives."""
    return {**delivery_payload(row), "data": msgspec.Raw(row.body)}
