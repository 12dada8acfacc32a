"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.rules.names import SYSTEM_USER


@dataclass(frozen=True, slots=True)
class Caller:
    """A logged-in user on one of their devices, or a REST key.

    Attributes:
        uid: the user; with a REST key whom it acts for, `app_system` without `onBehalfOf`.
        device: the `resource` of the client: what it causes is not sent back to it.
        token: fingerprint of the auth token; "" with a REST key.
        key: a REST key calls.
        chained: its client wants to know which message came before the one that it sends (feature `chain`).
    """

    uid: str
    device: str
    token: str
    key: bool = False
    chained: bool = False

    @property
    def system(self) -> bool:
        """The app itself calls: it may do everything."""
        return self.uid == SYSTEM_USER

    @property
    def reader(self) -> str:
        """Whose eyes lists are made for; "" for the app itself, which sees everything."""
        return "" if self.system else self.uid
