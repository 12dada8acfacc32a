"""What is recorded about a request: metrics, the access log, failed authentications, and the audit log."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.actions.audit import AuditLog
from tailwire.server.actions.caller import Caller
from tailwire.server.limits.failed_authentications import REASONS, UNKNOWN_TOKEN, FailedAuthentications
from tailwire.server.ports.audit import AuditEntry
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.rest.asgi import Scope, text
from tailwire.server.rest.operations import Operation
from tailwire.server.telemetry.access_log import AccessLog, shown_path
from tailwire.server.telemetry.metrics import Metrics

_chance = random.Random()  # an id may be guessed
_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,100}")


@dataclass(slots=True)
class Trace:
    """One request.

    Attributes:
        request_id: given by the client or its proxy in `X-Request-Id`, or made here.
        began: when it arrived, in seconds of the clock.
        address: the address of the client.
        caller, operation: None until they are known.
        entry: its entry of the audit log, if it has one.
    """

    request_id: str
    began: float
    address: str
    caller: Caller | None = None
    operation: Operation | None = None
    entry: AuditEntry | None = None


class Records:
    """Records requests.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        metrics: Metrics,
        access: AccessLog,
        failures: FailedAuthentications,
        audit: AuditLog,
        clock: Callable[[], float],
    ) -> None:
        self._metrics = metrics
        self._access = access
        self._failures = failures
        self._clock = clock
        self.audit = audit

    def begin(self, scope: Scope) -> Trace:
        """Begin to record a request."""
        given = b""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given = value
        request_id = given.decode() if given and _SANE_ID.fullmatch(given) else f"{_chance.getrandbits(64):016x}"
        return Trace(request_id, self._clock(), (scope["client"] or ("",))[0])

    def refused(self, refused: Refused) -> None:
        """Record why a request was refused."""
        self._metrics.errors[refused.code] += 1
        if refused.limit:
            self._metrics.refusals[refused.limit] += 1

    def not_authenticated(self, trace: Trace, refused: Refused, token: bytes | None, key: str = "") -> None:
        """Record a refusal during authentication, if the credentials were its reason.

        Args:
            key: the id of the key, if it is known and may not do this.
        """
        reason, uid = REASONS.get(refused.code, ""), ""
        if isinstance(refused, NotAuthenticated):
            reason, uid = refused.reason, refused.uid
        if reason:
            claimed = text(token) if reason == UNKNOWN_TOKEN else ""
            self._failures.record(
                reason, trace.address, on="request", uid=uid, claimed=claimed, key=key, request_id=trace.request_id
            )

    def too_many_guesses(self, trace: Trace) -> None:
        """Record a request whose credentials were not checked, because its address sent too many wrong ones."""
        self._failures.record("too many guesses", trace.address, on="request", request_id=trace.request_id)

    def stored(self, trace: Trace) -> None:
        """Record that a message was stored and published."""
        self._metrics.send_seconds.observe(self._clock() - trace.began)

    def end(self, trace: Trace, scope: Scope, status: int, size: int) -> None:
        """Record a response.

        Args:
            size: bytes of its body.
        """
        seconds = self._clock() - trace.began
        self._metrics.responded(scope["method"], status, seconds)
        if self._access.enabled:
            caller = trace.caller
            self._access.request(
                method=scope["method"], path=shown_path(scope["path"], known=trace.operation is not None),
                status=status, seconds=seconds, size=size, uid=caller.uid if caller else "",
                key=caller.key_id if caller else "", address=trace.address, request_id=trace.request_id,
            )  # fmt: skip
