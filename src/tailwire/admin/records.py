"""The records that the administration client returns. Times are whole seconds since 1970; 0 if unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.wire.codec import metadata_of, number_at, object_of, text_at


@dataclass(slots=True)
class ApiKey:
    """An API key.

    Attributes:
        key: the full key in the result of its creation, otherwise its last characters.
        name: a name that tells people what the key is for.
        scope: `authOnly` (may create users and auth tokens) or `fullAccess` (a REST API key).
        created_at: when it was created.
        expires_at: when it stops being valid; 0 if it is valid until it is deleted.
        last_used_at: when it was last used, with a precision of an hour; 0 if never.

    Times are seconds since 1970.
    """

    key: str
    name: str
    scope: str
    created_at: int = 0
    expires_at: int = 0
    last_used_at: int = 0


@dataclass(slots=True)
class AuthToken:
    """An auth token of a user.

    Attributes:
        uid: the uid of the user.
        token: the full token in the result of its creation, otherwise its last characters.
        created_at: when it was created, in seconds since 1970.
        platform: the platform of the device, as the client named it.
        user_agent: the user agent of the device.
        app_info: further information about the device.
    """

    uid: str
    token: str
    created_at: int = 0
    platform: str = ""
    user_agent: str = ""
    app_info: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Role:
    """A role of users.

    Attributes:
        role: its id.
        name: at most 100 characters.
        description: a description for people.
        metadata: custom data of the app.
        lists_users: which users those with this role find in lists of users: `all` or `friendsOnly`.
        sends_to: which users those with this role may send messages to: `all` or `friendsOnly`.
        created_at: when it was created, in seconds since 1970.
        updated_at: when it was last changed, in seconds since 1970.
    """

    role: str
    name: str
    description: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    lists_users: str = "all"
    sends_to: str = "all"
    created_at: int = 0
    updated_at: int = 0


@dataclass(slots=True)
class RestrictedFeature:
    """A feature that a role may not use.

    Attributes:
        key: CometChat's key for it, such as `u.createGroup`.
        title: a title for people.
        description: a description for people.
        created_at: when it was restricted, in seconds since 1970.
    """

    key: str
    title: str
    description: str
    created_at: int = 0


@dataclass(slots=True)
class WebhookState:
    """The state of a webhook's deliveries.

    Attributes:
        waiting: number of deliveries that have not succeeded yet and will be tried.
        waiting_since: when the oldest of them was queued; 0 if none is waiting.
        failed: number of deliveries that failed and are not retried any longer.
        failing_since: when the current series of failures began; 0 if the last delivery succeeded.
        last_success_at: when a delivery last succeeded; 0 if never.
        last_failure_at: when a delivery last failed; 0 if never.
        last_failure: why that delivery failed; "" if none has.

    Times are seconds since 1970.
    """

    waiting: int = 0
    waiting_since: int = 0
    failed: int = 0
    failing_since: int = 0
    last_success_at: int = 0
    last_failure_at: int = 0
    last_failure: str = ""


@dataclass(slots=True)
class Webhook:
    """A URL that receives events over HTTP.

    Attributes:
        id: its id.
        name: a name for people.
        url: the URL.
        triggers: the events that it receives.
        username: the user name for basic authentication; "" for none.
        secret: the signing secret; only set if the webhook was just created.
        retry_on_failure: whether failed deliveries are retried.
        enabled: whether events are delivered.
        created_at: when it was created, in seconds since 1970.
        state: the state of its deliveries.
    """

    id: str
    name: str
    url: str
    triggers: list[str]
    username: str = ""
    secret: str = field(default="", repr=False)
    retry_on_failure: bool = True
    enabled: bool = True
    created_at: int = 0
    state: WebhookState = field(default_factory=WebhookState)


@dataclass(slots=True)
class Trigger:
    """An event that a webhook can receive.

    Attributes:
        trigger: its name, such as `message_sent`.
        description: a description for people.
    """

    trigger: str
    description: str


@dataclass(slots=True)
class Delivery:
    """A delivery of an event to a webhook that has not succeeded: it is waiting, or has failed finally.

    Attributes:
        id: its id, which the webhook receives as `webhook-id`.
        trigger: the event.
        status: `waiting` or `failed`.
        attempts: the number of attempts so far.
        queued_at: when it was queued.
        last_try_at: when it was last attempted; 0 if it was not yet.
        next_try_at: when it is attempted again; 0 if it has failed finally.
        failed_at: when it failed finally; 0 if it is waiting.
        problem: why the last attempt failed; "" if there was none.
        data: the payload; only set if this delivery was requested by id.

    Times are seconds since 1970.
    """

    id: str
    trigger: str
    status: str
    attempts: int = 0
    queued_at: int = 0
    last_try_at: int = 0
    next_try_at: int = 0
    failed_at: int = 0
    problem: str = ""
    data: dict[str, Any] = field(default_factory=dict)


# From the wire.


def key_from_wire(value: Any) -> ApiKey:
    """Return the API key that a JSON object describes."""
    d = object_of(value, "API key")
    return ApiKey(
        text_at(d, "apiKey"), text_at(d, "name"), text_at(d, "scope"), number_at(d, "createdAt"),
        number_at(d, "expiresAt"), number_at(d, "lastUsedAt"),
    )  # fmt: skip


def token_from_wire(value: Any) -> AuthToken:
    """Return the auth token that a JSON object describes."""
    d = object_of(value, "auth token")
    return AuthToken(
        uid=text_at(d, "uid"),
        token=text_at(d, "authToken"),
        created_at=number_at(d, "createdAt"),
        platform=text_at(d, "platform"),
        user_agent=text_at(d, "userAgent"),
        app_info=_object_at(d, "appInfo"),
    )


def role_from_wire(value: Any) -> Role:
    """Return the role that a JSON object describes."""
    d = object_of(value, "role")
    settings = _object_at(d, "settings")
    return Role(
        role=text_at(d, "role"),
        name=text_at(d, "name"),
        description=text_at(d, "description"),
        metadata=metadata_of(d),
        lists_users=text_at(settings, "listUsers") or "all",
        sends_to=text_at(settings, "sendMessagesTo") or "all",
        created_at=number_at(d, "createdAt"),
        updated_at=number_at(d, "updatedAt"),
    )


def feature_from_wire(value: Any) -> RestrictedFeature:
    """Return the restricted feature that a JSON object describes."""
    d = object_of(value, "feature")
    return RestrictedFeature(
        text_at(d, "key"), text_at(d, "title"), text_at(d, "description"), number_at(d, "createdAt")
    )


def webhook_from_wire(value: Any) -> Webhook:
    """Return the webhook that a JSON object describes."""
    d = object_of(value, "webhook")
    return Webhook(
        id=text_at(d, "id"),
        name=text_at(d, "name"),
        url=text_at(d, "webhookUrl"),
        triggers=[str(t) for t in d.get("triggers") or []],
        username=text_at(d, "username"),
        secret=text_at(d, "secret"),
        retry_on_failure=d.get("retryOnFailure") is not False,
        enabled=d.get("enabled") is not False,
        created_at=number_at(d, "createdAt"),
        state=_state_from_wire(_object_at(d, "state")),
    )


def _state_from_wire(d: Mapping[str, Any]) -> WebhookState:
    return WebhookState(
        waiting=number_at(d, "waiting"),
        waiting_since=number_at(d, "waitingSince"),
        failed=number_at(d, "failed"),
        failing_since=number_at(d, "failingSince"),
        last_success_at=number_at(d, "lastSuccessAt"),
        last_failure_at=number_at(d, "lastFailureAt"),
        last_failure=text_at(d, "lastFailure"),
    )


def trigger_from_wire(value: Any) -> Trigger:
    """Return the trigger that a JSON object describes."""
    d = object_of(value, "trigger")
    return Trigger(text_at(d, "trigger"), text_at(d, "description"))


def delivery_from_wire(value: Any) -> Delivery:
    """Return the delivery that a JSON object describes."""
    d = object_of(value, "delivery")
    return Delivery(
        id=text_at(d, "id"),
        trigger=text_at(d, "trigger"),
        status=text_at(d, "status"),
        attempts=number_at(d, "attempts"),
        queued_at=number_at(d, "queuedAt"),
        last_try_at=number_at(d, "lastTryAt"),
        next_try_at=number_at(d, "nextTryAt"),
        failed_at=number_at(d, "failedAt"),
        problem=text_at(d, "problem"),
        data=_object_at(d, "data"),
    )


def _object_at(d: Mapping[str, Any], key: str) -> dict[str, Any]:
    return dict(object_of(d.get(key) or {}, key))
