"""Counts the bytes that users may still upload with forms, where the server does not see the upload itself."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tailwire.server.ports.changes import FILE, Change

MAX_FORMS = 1000
"""How many forms a user may have."""


@dataclass(frozen=True, slots=True)
class _Form:
    uid: str
    size: int
    until: float


class IssuedForms:
    """The issued forms: those whose files were not accepted yet, for as long as such files are kept, and all unexpired.

    Args:
        clock: seconds, monotonic.
        kept_for: seconds after which a file that was not accepted is removed.
        lifetime: seconds until a form expires.
    """

    def __init__(self, clock: Callable[[], float], kept_for: float, lifetime: float) -> None:
        self._clock = clock
        self._kept_for = kept_for
        self._forms: dict[str, _Form] = {}  # by name, oldest first
        self._by_user: dict[str, dict[str, int]] = {}  # sizes by name
        self._lifetime = lifetime
        self._unexpired: deque[_Form] = deque()  # oldest first
        self._unexpired_bytes: Counter[str] = Counter()  # by uid

    def outstanding_bytes(self, uid: str) -> int:
        """Return the bytes of all forms of a user."""
        self._forget_old()
        return sum(self._by_user.get(uid, {}).values())

    def issued_bytes(self, uid: str) -> int:
        """Return the bytes of a user's forms that have not expired, also of those whose files were accepted."""
        self._forget_old()
        return self._unexpired_bytes[uid]

    def is_full(self, uid: str, more: int) -> bool:
        """Return whether a user would have too many forms with `more` further ones."""
        self._forget_old()
        return len(self._by_user.get(uid, {})) + more > MAX_FORMS

    def add(self, name: str, uid: str, size: int) -> None:
        """Count a form."""
        now = self._clock()
        self._forms[name] = _Form(uid, size, now + self._kept_for)
        self._unexpired.append(_Form(uid, size, now + self._lifetime))
        self._unexpired_bytes[uid] += size
        self._by_user.setdefault(uid, {})[name] = size

    def remove(self, name: str) -> None:
        """Forget a form, because its file was accepted or refused."""
        form = self._forms.pop(name, None)
        if form is not None:
            sizes = self._by_user[form.uid]
            del sizes[name]
            if not sizes:
                del self._by_user[form.uid]

    def forget_accepted(self, changes: Sequence[Change] | None) -> None:
        """Forget the forms whose files another server has accepted: the quota counts those as files from now on."""
        for _, kind, key in changes or ():
            if kind == FILE:
                self.remove(key)

    def _forget_old(self) -> None:
        now = self._clock()
        while self._unexpired and self._unexpired[0].until <= now:
            expired = self._unexpired.popleft()
            self._unexpired_bytes[expired.uid] -= expired.size
            if not self._unexpired_bytes[expired.uid]:
                del self._unexpired_bytes[expired.uid]
        while self._forms:
            name, form = next(iter(self._forms.items()))
            if form.until > now:
                return
            self.remove(name)
