"""The host names at which the server may be reached."""

from __future__ import annotations


class AllowedHosts:
    """Decides about `Host` headers.

    Args:
        names: names without a port, comma-separated; `*.example.com` for all names below one; "" to allow any.

    Attributes:
        limited: whether any name is refused.
    """

    def __init__(self, names: str = "") -> None:
        listed = [name.strip().lower() for name in names.split(",") if name.strip()]
        self._names = frozenset(name for name in listed if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in listed if name.startswith("*."))
        self.limited = bool(listed)

    def allows(self, host: str) -> bool:
        """Return whether a request may name this host (with or without a port) in its header."""
        if not self.limited:
            return True
        name, closing, _ = host.lower().partition("]")  # an IPv6 address is in brackets
        name = name + closing if closing else name.partition(":")[0].removesuffix(".")
        return name in self._names or (bool(self._endings) and name.endswith(self._endings))
