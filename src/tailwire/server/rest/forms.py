"""Reads multipart forms chunk by chunk, and writes files to their sinks while they arrive."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Sink
from tailwire.server.rest.asgi import INCOMPLETE_BODY_TEXT, Receive
from tailwire.server.rules.decoding import check_no_nul

MAX_FIELDS_BYTES = 256 * 1024
MAX_PARTS = 100
MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 20
CHUNK_BYTES = 64 * 1024


@dataclass
class Form:
    """The content of a form.

    Attributes:
        fields: the texts by name; the last one if a name is repeated. `name[]` is read as `name`.
        files: for each file, the name that the client gave it and the sink that its bytes were written to.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: list[tuple[str, Sink]] = field(default_factory=list)

    def drop(self) -> None:
        """Discard all files, except those that were stored for good by `keep()` of their sinks."""
        for _, sink in self.files:
            sink.drop()


class _Reader:
    # Handles the callbacks of the parser.

    def __init__(self, begin: Callable[[dict[str, str]], Sink], check: Callable[[int, int], None]) -> None:
        self.form = Form()
        self.begun = False
        self.total = 0
        self._begin = begin
        self._check = check
        self._header = self._value = b""
        self._headers: dict[str, bytes] = {}
        self._number = 0
        self._name = ""
        self._text: list[bytes] | None = None
        self._sink: Sink | None = None
        self._size = self._parts = 0
        self.complete = False

    def on_part_begin(self) -> None:
        self._headers, self._number = {}, 0
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise Refused("ERR_BAD_REQUEST", f"A form has at most {MAX_PARTS} parts.")

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._check_header()

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._check_header()

    def _check_header(self) -> None:
        if len(self._header) + len(self._value) > MAX_HEADER_BYTES or self._number > MAX_HEADERS:
            raise Refused("ERR_BAD_REQUEST", "The headers of a part of the form are too large.")

    def on_header_end(self) -> None:
        self._number += 1
        self._headers[self._header.decode("latin-1").lower()] = self._value
        self._header = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        file_name = options.get(b"filename")
        self._text = self._sink = None
        if file_name is None:
            self._text = []
        else:
            self._sink = self._begin(self.form.fields)
            self.begun = True
            decoded = file_name.decode("utf-8", "replace")
            self.form.files.append((decoded, self._sink))
            check_no_nul((decoded,), "filename")

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self.total += end - start
            self._check(self._sink.size + end - start, self.total)
            self._sink.write(data[start:end])
        elif self._text is not None:
            self._size += end - start
            if self._size > MAX_FIELDS_BYTES:
                raise Refused("ERR_TOO_LARGE", f"The fields of a form have at most {MAX_FIELDS_BYTES} bytes.")
            self._text.append(data[start:end])

    def on_end(self) -> None:
        self.complete = True

    def on_part_end(self) -> None:
        if self._text is not None:
            value = b"".join(self._text).decode("utf-8", "replace")
            check_no_nul((self._name, value), "form")
            self.form.fields[self._name.removesuffix("[]")] = value


_CALLBACKS = (
    "part_begin", "part_data", "part_end", "header_field", "header_value", "header_end", "headers_finished", "end",
)  # fmt: skip


async def read_form(
    receive: Receive,
    content_type: bytes,
    begin: Callable[[dict[str, str]], Sink],
    admit: Callable[[dict[str, str]], Awaitable[None]],
    check: Callable[[int, int], None],
    turn: Callable[[], Awaitable[None]],
) -> Form:
    """Read a form from the body of a request.

    Args:
        receive: the `receive` of the ASGI request.
        content_type: the value of the request's header, with the boundary of the form.
        begin: called at the start of each file with the fields before it; returns a sink for the file.
        admit: called and awaited once, after the start of the first file, with the fields before it. It refuses the
            form if no file may be uploaded.
        check: called before bytes of a file are written, and once after `admit`, with two sizes in bytes: that of the
            current file and that of all files, including these bytes. It refuses files that are too large.
        turn: awaited before each chunk is parsed. It returns when this form may go on, to share the CPU fairly.

    Raises:
        Refused: ERR_BAD_REQUEST, the form is invalid or incomplete, or has too many parts or headers; ERR_TOO_LARGE,
            its texts have more than `MAX_FIELDS_BYTES`; or a refusal of `begin`, `admit` or `check`. All files are
            discarded then.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary or len(boundary) > 200:
        raise Refused("ERR_BAD_REQUEST", {"content-type": "A multipart form needs a boundary."})
    reader = _Reader(begin, check)
    parser = MultipartParser(boundary, {f"on_{n}": getattr(reader, f"on_{n}") for n in _CALLBACKS})  # type: ignore[arg-type]
    admitted = False
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused("ERR_BAD_REQUEST", INCOMPLETE_BODY_TEXT)
            body = message.get("body", b"")
            for at in range(0, len(body), CHUNK_BYTES):  # so that little is written before `admit`
                await turn()
                parser.write(body[at : at + CHUNK_BYTES])
                if reader.begun and not admitted:
                    admitted = True
                    await admit(reader.form.fields)
                    check(reader.form.files[-1][1].size, reader.total)
            if not message.get("more_body"):
                break
        if not reader.complete:
            raise Refused("ERR_BAD_REQUEST", {"body": "The form ends before its final boundary."})
    except FormParserError as e:
        reader.form.drop()
        raise Refused("ERR_BAD_REQUEST", {"body": f"The form is invalid: {e}"}) from e
    except BaseException:
        reader.form.drop()
        raise
    return reader.form
