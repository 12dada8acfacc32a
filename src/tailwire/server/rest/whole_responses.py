"""HTTP responses whose head and body are written to the connection by one call."""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class WholeResponses(RequestResponseCycle):
    """uvicorn's request and response, with `respond()`, which writes the head and the body of a response together.

    For ASGI messages, uvicorn examines each header and writes the head and the body separately. For a short response,
    this is a large part of the work, so `asgi.respond` calls `respond()` instead.
    """

    def respond(self, status: int, headers: Sequence[tuple[bytes, bytes]], header_lines: bytes, body: bytes) -> bool:
        """Write a response, if that is possible without ASGI messages.

        Args:
            headers: the headers, without `content-length` and those in `header_lines`.
            header_lines: further headers as HTTP lines, each with a line break.

        Returns:
            True if the response was written, or the client has disconnected. False if nothing was written, and the
            caller has to send ASGI messages: the client has to read earlier bytes first, the request is a HEAD request,
            or the connection is closed after it.

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
