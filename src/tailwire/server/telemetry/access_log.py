"""The access log: one line for each request, and for each WebSocket that opens or closes. Off by default."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

from tailwire.server.telemetry.log_format import TimeFormatter
from tailwire.server.telemetry.logs import access, direct

MAX_PATH_CHARACTERS = 200
_SECRET_AFTER = frozenset({"apikeys", "auth_tokens", "files"})
_MAY_HAVE_SECRET = re.compile("/(apikeys|auth_tokens|files)/")
_LOOKS_SECRET = re.compile(r"[A-Za-z0-9_.~-]{20,}")
_PLAIN = re.compile(r"[A-Za-z0-9_./~-]+")  # needs no quotes and no escapes in either format


def shown_path(path: str, *, known: bool = True) -> str:
    """Return the path of a request for the log: with `…` for keys, tokens, and names of files (which grant access).

    Args:
        path: the path, without the query. It is cut after `MAX_PATH_CHARACTERS`.
        known: False for a path that belongs to no operation: then every part of 20 or more characters is replaced, as
            it could be a secret.
    """
    if known and len(path) <= MAX_PATH_CHARACTERS and not _MAY_HAVE_SECRET.search(path):
        return path
    parts = path[:MAX_PATH_CHARACTERS].split("/")
    for n, part in enumerate(parts):
        after = parts[n - 1] if n else ""
        if part and (after in _SECRET_AFTER or (not known and _LOOKS_SECRET.fullmatch(part))):
            parts[n] = "…" if not (after == "files" and part == "upload-url") else part
    return "/".join(parts)


class AccessLog:
    """Writes the access log.

    Args:
        enabled: whether the log is written.

    Attributes:
        enabled: as the argument. Callers of `request` must check it first; the other methods check it themselves.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._times = TimeFormatter()

    def request(
        self, *, method: str, path: str, status: int, seconds: float, size: int, uid: str, key: str, address: str,
        request_id: str,
    ) -> None:  # fmt: skip
        """Write the line of a request. `enabled` is not checked here: callers check it before they compute arguments.

        Args:
            method: the HTTP method.
            path: the path from `shown_path`.
            status: the status of the response.
            seconds: how long the request took.
            size: the size in bytes of the body of the response.
            uid: the uid of the caller; "" for none.
            key: the id of the API key, never the key itself; "" without one.
            address: the IP address of the client.
            request_id: the id of the request.
        """
        if direct.write is None or not _PLAIN.fullmatch(path):
            self._write("request", {
                "method": method, "path": path, "status": status, "ms": round(seconds * 1000, 1), "bytes": size,
                "uid": uid, "key": key, "address": address, "request_id": request_id,
            })  # fmt: skip
            return
        # Written without `logging`, and without looking at each value: only the path is what the client wrote.
        when = self._times.text(time.time())
        if direct.json:
            who = (f',"uid":"{uid}"' if uid else "") + (f',"key":"{key}"' if key else "")
            line = (
                f'{{"time":"{when}","level":"info","message":"request","method":"{method}","path":"{path}",'
                f'"status":{status},"ms":{seconds * 1000:.1f},"bytes":{size}{who},"address":"{address}",'
                f'"request_id":"{request_id}"}}'
            )
        else:
            who = (f" uid={uid}" if uid else "") + (f" key={key}" if key else "")
            line = (
                f"{when} INFO request method={method} path={path} status={status} ms={seconds * 1000:.1f}"
                f" bytes={size}{who} address={address} request_id={request_id}"
            )
        direct.write(line)

    def socket_opened(self, *, uid: str, device: str, address: str) -> None:
        """Write the line of a WebSocket that has authenticated, if the log is `enabled`."""
        if self.enabled:
            self._write("socket opened", {"uid": uid, "device": device, "address": address})

    def socket_closed(self, *, uid: str, device: str, address: str, cause: str, seconds: float) -> None:
        """Write the line of a WebSocket that is closed, if the log is `enabled`.

        Args:
            uid: the user; "" if the WebSocket had not authenticated.
            device: the client's name for its device.
            address: the IP address of the client.
            cause: who ended it, and why (see `connections.end_of`).
            seconds: how long it was open.
        """
        if self.enabled:
            fields = {"uid": uid, "device": device, "address": address, "cause": cause, "seconds": round(seconds, 1)}
            self._write("socket closed", fields)

    def _write(self, event: str, fields: dict[str, Any]) -> None:
        # Made directly, because `Logger.info` looks for the line of code that called it, which takes time.
        record = logging.LogRecord(access.name, logging.INFO, "", 0, event, (), None)
        record.fields = fields
        access.handle(record)
