"""The types of JSON request bodies for API keys, roles and webhooks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from tailwire.server.actions.keys import MAX_GRACE_SECONDS
from tailwire.server.actions.raw_json import absent
from tailwire.server.actions.roles import RoleFields, RoleSettings
from tailwire.server.actions.sessions import AUTH_ONLY, FULL_ACCESS
from tailwire.server.actions.webhooks import WebhookFields
from tailwire.server.rest.requests import Metadata, Url, list_of, one_of
from tailwire.server.rules.features import FEATURES
from tailwire.server.rules.triggers import TRIGGERS


class ApiKeyFields(msgspec.Struct):
    """The fields of an API key."""

    name: str = ""
    scope: Annotated[str, Meta(extra_json_schema=one_of(AUTH_ONLY, FULL_ACCESS))] = AUTH_ONLY


class EndApiKey(msgspec.Struct):
    """Whether an API key is deleted immediately, or stays valid for some seconds."""

    grace: Annotated[
        int,
        Meta(ge=0, le=MAX_GRACE_SECONDS, description="Seconds for which the key stays valid; 0 deletes it at once."),
    ] = 0


class RoleBody(msgspec.Struct):
    """A role to create or change; absent fields keep their value."""

    role: str = ""
    name: str = ""
    description: str | None = None
    metadata: Metadata = msgspec.field(default_factory=absent)
    settings: RoleSettings | None = None
    unset: list[str] | None = None

    def to_fields(self) -> RoleFields:
        """Return the fields of the role."""
        return RoleFields(self.name, self.description, bytes(self.metadata), self.settings, tuple(self.unset or ()))


Features = Annotated[
    list[str], Meta(description="Keys of features, with or without the prefix `u.`.", examples=[list(FEATURES)[:2]])
]


class RestrictFeatures(msgspec.Struct, rename="camel"):
    """The features to restrict for a role."""

    features_to_restrict: Features = []


class AllowFeatures(msgspec.Struct, rename="camel"):
    """The features that a role may use again."""

    features_to_allow: Features = []
    allow_all: bool = False


class WebhookBody(msgspec.Struct, rename="camel"):
    """A webhook to create or change; absent fields keep their value.

    Attributes:
        retry_on_failure: whether a failed delivery is sent again: after 10 and 30 seconds, then after growing delays;
            true by default.
        username, password: the credentials for basic authentication.
        secret: the secret that signs deliveries: `whsec_` and 24 to 64 bytes in Base64. A new webhook without one gets
            a random secret.
    """

    id: str = ""
    name: str = ""
    webhook_url: Url = ""
    triggers: Annotated[list[str], Meta(extra_json_schema=list_of(*TRIGGERS))] | None = None
    username: str | None = None
    password: str | None = None
    secret: Annotated[str, Meta(description="`whsec_` and 24 to 64 bytes in Base64.")] | None = None
    retry_on_failure: bool | None = None
    enabled: bool | None = None

    def to_fields(self) -> WebhookFields:
        """Return the fields of the webhook."""
        return WebhookFields(
            name=self.name, url=self.webhook_url, triggers=self.triggers, username=self.username,
            password=self.password, secret=self.secret, retry=self.retry_on_failure, enabled=self.enabled,
        )  # fmt: skip
