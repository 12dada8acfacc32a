"""Records requests in the metrics and the logs, and stores the numbers of those that changed nothing."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from tailwire.server.actions.audit import AuditLog
from tailwire.server.actions.caller import Caller
from tailwire.server.limits.failed_authentications import REASONS, UNKNOWN_TOKEN, FailedAuthentications
from tailwire.server.ports.audit import AuditEntry
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.ports.request_numbers import RequestNumber, RequestNumberStore
from tailwire.server.rest.asgi import Scope, header_text
from tailwire.server.rest.operations import Operation
from tailwire.server.telemetry.access_log import AccessLog, shown_path
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

random_bits = random.Random().getrandbits  # an id may be guessed
SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,100}")


@dataclass(slots=True)
class Trace:
    """What is known about one request, to record it.

    Attributes:
        request_id: given by the client or its proxy in `X-Request-Id`, or made by the server.
        began: when it arrived, as `time.perf_counter()`.
        address: the address of the client.
        caller, operation: None until they are known.
        entry: the entry of the audit log about it; None if there is none.
        number: the number that its client gave it, to recognize repetitions; None if it has none.
    """

    request_id: bytes
    began: float
    address: str
    caller: Caller | None = None
    operation: Operation | None = None
    entry: AuditEntry | None = None
    number: RequestNumber | None = None


class Records:
    """Records requests in the metrics and in the logs.

    Attributes:
        metrics: the metrics. The API updates them directly, without a call, because this is done for each request.
        access: the access log.
        audit: the audit log.
    """

    def __init__(
        self,
        metrics: Metrics,
        access: AccessLog,
        failures: FailedAuthentications,
        audit: AuditLog,
        numbers: RequestNumberStore,
    ) -> None:
        self._failures = failures
        self.metrics = metrics
        self.access = access
        self.audit = audit
        self._numbers = numbers

    def record_refusal(self, refused: Refused) -> None:
        """Count a refused request in the metrics, by its error code and by the limit that it exceeded, if any."""
        self.metrics.errors[refused.code] += 1
        if refused.limit:
            self.metrics.refusals[refused.limit] += 1

    async def store_unstored_number(self, trace: Trace) -> None:
        """Store the number of a request, unless a write has stored it or the request has none.

        Otherwise a late repetition of the request could change something.

        Raises:
            Refused: ERR_UNAVAILABLE, the store cannot write.
        """
        if trace.number is not None and not trace.number.taken:
            await self._numbers.store_number(trace.number)

    async def store_number_of_refused(self, trace: Trace) -> None:
        """Store the number of a refused request, unless a write has stored it or the request has none.

        If the store cannot write, this is only logged.
        """
        try:
            await self.store_unstored_number(trace)
        except Refused as e:
            log.debug("the number of request_id=%s is not stored: %s", trace.request_id.decode(), e.code)

    def record_failed_authentication(self, trace: Trace, refused: Refused, token: bytes | None, key: str = "") -> None:
        """Record a failed authentication, if the request was refused because of its credentials.

        Args:
            token: the value of the header `authtoken`; None without it.
            key: the id of the API key, if it is a valid one that may not do this; else "".
        """
        reason, uid = REASONS.get(refused.code, ""), ""
        if isinstance(refused, NotAuthenticated):
            reason, uid = refused.reason, refused.uid
        if reason:
            claimed = header_text(token) if reason == UNKNOWN_TOKEN else ""
            self._failures.record(
                reason,
                trace.address,
                on="request",
                uid=uid,
                claimed=claimed,
                key=key,
                request_id=trace.request_id.decode(),
            )

    def record_too_many_guesses(self, trace: Trace) -> None:
        """Record a request that was refused unchecked, because its address has sent too many wrong credentials."""
        self._failures.record("too many guesses", trace.address, on="request", request_id=trace.request_id.decode())

    def log(self, trace: Trace, scope: Scope, status: int, size: int, seconds: float) -> None:
        """Write a line about a request to the access log.

        Args:
            size: bytes of the body of the response.
            seconds: how long the request took.
        """
        caller = trace.caller
        self.access.request(
            method=scope["method"], path=shown_path(scope["path"], known=trace.operation is not None),
            status=status, seconds=seconds, size=size, uid=caller.uid if caller else "",
            key=caller.key_id if caller else "", address=trace.address, request_id=trace.request_id.decode(),
        )  # fmt: skip
