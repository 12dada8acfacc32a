"""The caller of an action."""

from __future__ import annotations

from typing import NamedTuple

from tailwire.server.auth.secrets import key_id
from tailwire.server.rules.names import SYSTEM_USER


class Caller(NamedTuple):
    """A user who is logged in on a device, an API key, or nobody (a tuple, because one is made for each request).

    Attributes:
        uid: the user; with a REST key the user it acts for, or `app_system` without `onBehalfOf`;
            "" for a key that is not a REST key, and for an anonymous caller.
        device: the `resource` of the client, to which frames that the caller causes are not sent back; "" with a key.
        token: the fingerprint of the auth token; "" with a key.
        key: whether the caller is a REST key.
        key_hash: the fingerprint of the API key; "" without a key.
        chained: whether the client wants the id of the message before the one that it sends (feature `chain`).
    """

    uid: str
    device: str
    token: str
    key: bool = False
    chained: bool = False
    key_hash: str = ""

    @property
    def key_id(self) -> str:
        """The id of the API key, which may be shown and logged; "" without a key."""
        return key_id(self.key_hash)

    @property
    def system(self) -> bool:
        """Whether the caller is the app itself, which may do everything."""
        return self.uid == SYSTEM_USER

    @property
    def reader(self) -> str:
        """The uid for which lists are filtered; "" for the app itself, which sees everything."""
        return "" if self.system else self.uid
