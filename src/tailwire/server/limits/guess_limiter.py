"""Limits guessing: after too many wrong tokens or keys from an address, further ones are not checked for a while.

Tokens that this address has sent before and that were valid are still checked, so that users who share the address are
not locked out. Nothing is stored about addresses that have sent no wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from tailwire.server.limits.buckets import MAX_KEYS, Buckets
from tailwire.server.limits.networks import counting_key

MAX_KNOWN_SECRETS = 1_000
"""How many valid secrets of an address are remembered; beyond that the one used longest ago is forgotten."""


class GuessLimiter:
    """Counts wrong secrets: tokens and keys by IP address (IPv6: by /64), and others by any key.

    Args:
        per_minute: how many wrong secrets per minute are checked for one address or key; 0 for no limit.
        clock: returns monotonic seconds.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self._tries = Buckets(per_minute / 60, max(1.0, per_minute), clock)
        self._clock = clock
        self._suspects: dict[str, tuple[float, dict[int, None]]] = {}  # locked until; hashes of valid secrets
        self._unsuspected: tuple[float, dict[int, None]] = (0.0, {})

    def seconds_until_allowed(self, address: str, secret: Hashable) -> float:
        """Return for how many seconds a secret from an address must not be checked; 0.0 if it may be checked now.

        Args:
            address: the IP address.
            secret: the token or key that would be checked, and nothing that the sender can vary besides.
        """
        if not self._suspects:
            return 0.0
        until, known = self._suspects.get(counting_key(address), self._unsuspected)
        left = until - self._clock()
        return left if left > 0 and hash(secret) not in known else 0.0

    def count_attempt(self, key: str) -> float:
        """Count an attempt to guess a secret, before it is checked. Call `give_back` afterwards if it was right.

        Attempts are counted in advance because a check takes long: otherwise many could begin before one has failed.

        Args:
            key: a text that names what is guessed and who guesses it.

        Returns:
            0.0 if the secret may be checked, else the seconds to wait.
        """
        return self._tries.take(key)

    def divide(self, servers: int) -> None:
        """Set the limit to the original one divided by the number of servers that share it."""
        self._tries.divide(servers)

    def give_back(self, key: str) -> None:
        """Undo `count_attempt` for a secret that was right, or was not checked."""
        self._tries.give_back(key)

    def record_success(self, address: str, secret: Hashable) -> None:
        """Record that a secret from an address was valid. Its hash is kept only if the address has sent a wrong one."""
        if self._suspects and (suspect := self._suspects.get(counting_key(address))):
            known = suspect[1]
            hashed = hash(secret)
            known.pop(hashed, None)  # the ones used last stand at the end
            known[hashed] = None
            if len(known) > MAX_KNOWN_SECRETS:
                del known[next(iter(known))]

    def record_failure(self, address: str) -> None:
        """Record that a secret from an address was wrong. After too many, its secrets are not checked for a while."""
        address = counting_key(address)
        wait = self._tries.take(address)
        if address not in self._suspects:
            if len(self._suspects) >= MAX_KEYS:
                del self._suspects[next(iter(self._suspects))]
            self._suspects[address] = (0.0, {})
        if wait:
            self._suspects[address] = (self._clock() + max(wait, 1.0), self._suspects[address][1])
