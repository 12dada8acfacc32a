"""A session: the logged-in user with their token and position, and the stores that keep it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from tailwire.sdk.continuity.state import Position

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Its `repr` does not show the token.

    Attributes:
        user: the user as the server sent them, without secrets.
        auth_token: the user's auth token.
        position: how far the app has been served; None while it is not known. Catch-up continues from it.
        expired: whether the server rejected the token, so that a new login is needed.
    """

    user: Mapping[str, Any]
    auth_token: str = field(repr=False)
    position: Position | None = None
    expired: bool = False

    @property
    def uid(self) -> str:
        """The user's uid."""
        return str(self.user["uid"])

    def to_saved(self) -> dict[str, Any]:
        """Return the session as a JSON-serialisable object."""
        position = self.position
        return {
            "format": FORMAT_VERSION,
            "user": dict(self.user),
            "auth_token": self.auth_token,
            "expired": self.expired,
            "position": position
            and {
                **position._asdict(),
                "own": list(position.own),
                "done": [list(r) for r in position.done],
                "heard": list(position.heard),
            },
        }

    @classmethod
    def from_saved(cls, saved: Mapping[str, Any]) -> Session:
        """Return a session from what `to_saved()` returned.

        Raises:
            ValueError: when `saved` is invalid, or of another version.
        """
        try:
            if saved["format"] != FORMAT_VERSION or not isinstance(saved["user"]["uid"], str):
                raise ValueError(f"format {saved['format']!r}, this version reads {FORMAT_VERSION}")
            kept = saved.get("position")
            own = tuple(int(n) for n in kept["own"]) if kept else ()
            updated_at = int(kept.get("updated_at", 0)) if kept else 0
            mark = str(kept.get("mark", "")) if kept else ""
            done = tuple(sorted((int(after), int(to)) for after, to in kept.get("done", ()))) if kept else ()
            changes = int(kept["changes"]) if kept and kept.get("changes") is not None else None
            heard = tuple(sorted(int(n) for n in kept.get("heard", ()))) if kept else ()
            position = kept and Position(
                int(kept["last_id"]), str(kept["store"]), own, updated_at, mark, done, changes, heard
            )
            return cls(saved["user"], str(saved["auth_token"]), position or None, bool(saved.get("expired")))
        except (KeyError, TypeError) as e:
            raise ValueError(f"not a saved session: {e!r}") from e


class SessionStore(Protocol):
    """Keeps sessions, by app id. The methods are called from the event loop, and must not block for long.

    A store may also have a method `claim(app_id)`, which reserves the session for one client and returns a function
    that releases it, or raises `SESSION_IN_USE` while another client has claimed the session. `init()` calls `claim`,
    and `aclose()` the returned function.

    An exception of `save` is logged. An exception of another method is raised by the client's method that called it.
    """

    def load(self, app_id: str) -> Mapping[str, Any] | None:
        """Return the saved session of an app, or None.

        Args:
            app_id: the id of the app.
        """

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Save the session of an app.

        Args:
            app_id: the id of the app.
            session: a JSON-serialisable object, from which `load` returns an equal one.
        """

    def clear(self, app_id: str) -> None:
        """Delete the session of an app.

        Args:
            app_id: the id of the app.
        """


class OutboxStore(Protocol):
    """Stores queued messages. A session store that also has these methods keeps them across a restart."""

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        """Return the saved outbox of a user, or None. What this raises is raised by `init()` or `login()`."""

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Save the outbox of a user; None deletes it.

        If this raises while a message is being queued, the message is refused with `OUTBOX_NOT_SAVED`. After another
        change the exception is logged, and the next change saves the whole outbox.
        """


def outbox_store(store: object) -> OutboxStore | None:
    """Return the argument, a session store, if it has the methods of `OutboxStore`, else None."""
    keeps = hasattr(store, "load_outbox") and hasattr(store, "save_outbox")
    return cast(OutboxStore, store) if keeps else None


def claim(store: object, app_id: str) -> Callable[[], None]:
    """Claim the session of an app for one client, and return a function that releases the claim.

    If the store has no method `claim`, nothing is claimed, and the returned function does nothing.

    Raises:
        CometChatException: `SESSION_IN_USE` if another client has claimed it.
    """
    claim_session = getattr(store, "claim", None)
    release: Callable[[], None] = claim_session(app_id) if claim_session is not None else lambda: None
    return release


class MemorySessionStore:
    """Keeps sessions and queued messages in memory, for as long as the object lives."""

    def __init__(self) -> None:
        self._sessions: dict[str, Mapping[str, Any]] = {}
        self._outboxes: dict[tuple[str, str], Mapping[str, Any]] = {}

    def load(self, app_id: str) -> Mapping[str, Any] | None:
        """Return the saved session of an app, or None.

        Args:
            app_id: the id of the app.
        """
        return self._sessions.get(app_id)

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        """Save the session of an app.

        Args:
            app_id: the id of the app.
            session: a JSON-serialisable object.
        """
        self._sessions[app_id] = dict(session)

    def clear(self, app_id: str) -> None:
        """Delete the session of an app.

        Args:
            app_id: the id of the app.
        """
        self._sessions.pop(app_id, None)

    def load_outbox(self, app_id: str, uid: str) -> Mapping[str, Any] | None:
        """Return the saved outbox of a user, or None.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.
        """
        return self._outboxes.get((app_id, uid))

    def save_outbox(self, app_id: str, uid: str, outbox: Mapping[str, Any] | None) -> None:
        """Save the outbox of a user; None deletes it.

        Args:
            app_id: the id of the app.
            uid: the uid of the user.
            outbox: a JSON-serialisable object.
        """
        if outbox is None:
            self._outboxes.pop((app_id, uid), None)
        else:
            self._outboxes[app_id, uid] = dict(outbox)
