"""The host names at which the server may be reached."""

from __future__ import annotations


class AllowedHosts:
    """Decides which names the `Host` header of a request may contain.

    Args:
        names: the allowed names without a port, comma-separated; `*.example.com` for all names that end with
            `.example.com`; "" to allow all names.

    Attributes:
        limited: False if all names are allowed.
    """

    def __init__(self, names: str = "") -> None:
        listed = [name.strip().lower() for name in names.split(",") if name.strip()]
        self._names = frozenset(name for name in listed if not name.startswith("*."))
        self._endings = tuple(name[1:] for name in listed if name.startswith("*."))
        self.limited = bool(listed)

    def allows(self, host: str) -> bool:
        """Return whether a host (with or without a port) is allowed."""
        if not self.limited:
            return True
        name, closing, _ = host.lower().partition("]")  # an IPv6 address is in brackets
        name = name + closing if closing else name.partition(":")[0].removesuffix(".")
        return name in self._names or (bool(self._endings) and name.endswith(self._endings))
