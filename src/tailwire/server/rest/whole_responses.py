"""Responses in one piece, which are written by one call."""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class WholeResponses(RequestResponseCycle):
    """A request and its response. A response in one piece is written by one call, head and body together.

    An ASGI application sends a response as messages, and uvicorn writes its head first, after it has looked at each
    header; for a short response that is a good part of the work. `asgi.respond` calls `respond` instead.
    """

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], header_lines: bytes, body: bytes) -> bool:
        """Write a response, unless it has to be sent as ASGI messages.

        Args:
            headers: without the length of the body, and without those of `header_lines`.
            header_lines: further headers, as they are written to the connection.

        Returns:
            True if it was written, or the client is gone. False if nothing was written: the client has to read first,
            asked for the head only, or asked for the connection to be closed.

        Raises:
            RuntimeError: a header contains a line break.
        """
        if self.disconnected:
            return True
        if self.flow.write_paused or not self.keep_alive or self.scope["method"] == "HEAD":
            return False
        head = b"".join([b"%b: %b\r\n" % header for header in (*self.default_headers, *headers)])
        if head.count(b"\n") != len(self.default_headers) + len(headers) or head.count(b"\r") != head.count(b"\n"):
            raise RuntimeError("a header of the response contains a line break")
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(
            b"%bcontent-length: %d\r\n%b%b\r\n%b" % (STATUS_LINE[status], len(body), head, header_lines, body)
        )
        self.message_event.set()
        self.on_response()
        return True
