"""Responses in one piece, which are written by one call."""

from __future__ import annotations

from uvicorn._types import ASGISendEvent, HTTPResponseStartEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class WholeResponses(RequestResponseCycle):
    """A request and its response. A response in one piece is written by one call, head and body together.

    uvicorn writes the head first, after it has looked at each header; for a short response that is a good part of the
    work.
    """

    _start: HTTPResponseStartEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the response. The head is kept until the first part of the body comes."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None and message["type"] == "http.response.body":
            body, headers = message.get("body", b""), list(start["headers"])
            whole = headers[:1] == [(b"content-length", b"%d" % len(body))] and not message.get("more_body")
            if whole and self.keep_alive and self.scope["method"] != "HEAD":
                await self._send_whole(start["status"], headers, body)
                return
            await super().send(start)
        await super().send(message)

    async def _send_whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        headers = [*self.default_headers, *headers]
        head = b"".join([b"%b: %b\r\n" % header for header in headers])
        if head.count(b"\n") != len(headers) or head.count(b"\r") != len(headers):
            raise RuntimeError("a header of the response contains a line break")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], head, body))
        self.message_event.set()
        self.on_response()
