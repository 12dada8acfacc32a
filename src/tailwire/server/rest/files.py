"""REST operations on files: signed forms, uploads with them, and downloads with ranges."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

from tailwire.server.actions.uploads import INLINE_TYPES, Files
from tailwire.server.limits.upload_quota import Reservation
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Uploads
from tailwire.server.rest import requests, responses
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.asgi import headers_of
from tailwire.server.rest.entity_payloads import form_payload
from tailwire.server.rest.forms import read_form
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.rest.queries import FileQuery

HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, max-age=31536000, immutable"),
    (b"accept-ranges", b"bytes"),
]
# The URL in `location` is valid for 15 minutes.
REDIRECT_HEADERS = [(b"referrer-policy", b"no-referrer"), (b"cache-control", b"private, max-age=600")]
INLINE_PREFIXES = ("audio/", "video/")
STATUS_TEXTS = {
    302: "The file is at the URL in `location`",
    206: "A range of the file",
    304: "Not modified",
    416: "Range not satisfiable",
}


class FileRoutes:
    """The REST operations that upload and download files."""

    def __init__(self, files: Files, uploads: Uploads, addresses: Addresses) -> None:
        self._files = files
        self._uploads = uploads
        self._addresses = addresses

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            Operation("POST", "/files/upload-url", "Get signed forms for uploads", self._create_forms,
                      body=requests.RequestUpload, response=dict[str, responses.UploadForm]),
            Operation("POST", "/files", "Upload a file with a signed form", self._refuse_other_bodies,
                      access=Access.ANYONE, form_handler=self._upload),
            Operation("GET", "/files/{name}", "Download a file or a range of it", self._get, access=Access.ANYONE,
                      query=FileQuery, statuses=STATUS_TEXTS, media="application/octet-stream"),
            Operation("HEAD", "/files/{name}", "Get the headers of a file", self._get, access=Access.ANYONE,
                      query=FileQuery, statuses=STATUS_TEXTS),
        ]  # fmt: skip

    async def _create_forms(self, call: Call) -> Any:
        body: requests.RequestUpload = call.body
        base = self._addresses.base(call.scope)
        forms = await self._files.forms(call.caller, body.to_files(), body.receiver, body.receiver_type, base)
        return {name: form_payload(form) for name, form in forms.items()}

    async def _refuse_other_bodies(self, call: Call) -> None:
        raise Refused("ERR_BAD_REQUEST", {"content-type": "Send multipart/form-data."})

    async def _upload(self, call: Call) -> None:
        files, allowed = self._files, 0
        taken: Reservation | None = None
        signed: dict[str, str] = {}  # the fields before the file; later ones are not verified

        def begin(fields: dict[str, str]) -> Any:
            nonlocal allowed
            if signed:
                raise Refused("ERR_FILE_COUNT_EXCEEDED", "A form takes one file.")
            allowed = files.check_form(fields)
            signed.update(fields)
            return files.begin()

        async def admit(fields: dict[str, str]) -> None:
            nonlocal taken
            taken = await files.reserve(signed["uid"])
            taken.reserve(allowed)

        def check(size: int, total: int) -> None:
            files.check_size(size)
            if size > allowed:
                raise Refused("ERR_FILE_SIZE_EXCEEDED", f"The form is for a file of {allowed} bytes.")
            if taken is not None:
                taken.record_written(total)

        async def turn() -> None:
            await files.turns.wait(signed.get("uid", ""))

        try:
            content_type = headers_of(call.scope)[b"content-type"]
            form = await read_form(call.receive, content_type, begin, admit, check, turn)
            if not form.files:
                raise Refused("ERR_EMPTY_MESSAGE_FILE")
            ((_, sink),) = form.files
            try:
                await files.store_form_file(signed, sink)
            finally:
                form.drop()
        finally:
            if taken is not None:
                taken.end()

    async def _get(self, call: Call) -> Streamed:
        row = await self._files.find(call.params["name"])
        name, mime_type = row.name, row.mime_type
        if call.query.thumbnail and row.thumbnail:
            name, mime_type = row.thumbnail, "image/jpeg"
        is_inline = mime_type in INLINE_TYPES or mime_type.startswith(INLINE_PREFIXES)
        disposition = f"{'inline' if is_inline else 'attachment'}; filename*=UTF-8''{quote(row.file_name, safe='')}"
        mime_type = mime_type if is_inline else "application/octet-stream"
        headers = [
            (b"content-type", mime_type.encode()),
            (b"content-disposition", disposition.encode()),
            (b"etag", f'"{name}"'.encode()),
            *HEADERS,
        ]
        request_headers = headers_of(call.scope)
        if request_headers.get(b"if-none-match") == f'"{name}"'.encode():
            return Streamed(304, headers)
        if link := self._uploads.direct_url(name, mime_type, disposition):
            return Streamed(302, [(b"location", link.encode()), (b"content-length", b"0"), *REDIRECT_HEADERS])
        try:
            size = await self._uploads.size(name)
        except FileNotFoundError as e:  # the server crashed between storing the row and the file
            raise Refused("ERR_FILE_NOT_FOUND") from e
        start, length, status = _parse_range(
            request_headers.get(b"range"), request_headers.get(b"if-range"), name, size
        )
        if status == 416:
            return Streamed(416, [*headers, (b"content-range", b"bytes */%d" % size), (b"content-length", b"0")])
        if status == 206:
            headers.append((b"content-range", b"bytes %d-%d/%d" % (start, start + length - 1, size)))
        headers.append((b"content-length", b"%d" % length))
        chunks = None
        if call.scope["method"] != "HEAD":
            try:
                chunks = await _with_first_chunk_read(self._uploads.read(name, start, length))
            except FileNotFoundError as e:  # removed since its size was read
                raise Refused("ERR_FILE_NOT_FOUND") from e
        return Streamed(status, headers, chunks)


async def _with_first_chunk_read(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    # A file that cannot be read is refused here: once the response has begun, its status cannot be changed.
    first = await anext(chunks, b"")

    async def first_and_rest() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return first_and_rest()


def _parse_range(header: bytes | None, known: bytes | None, name: str, size: int) -> tuple[int, int, int]:
    # Start, length and status. An invalid range is ignored (RFC 9110, 14.2).
    whole = (0, size, 200)
    if not header or not header.startswith(b"bytes=") or b"," in header:
        return whole
    if known is not None and known != f'"{name}"'.encode():
        return whole
    first, dash, last = header[6:].strip().partition(b"-")
    if not dash or not (first.isdigit() or last.isdigit()) or (first and not first.isdigit()) or len(header) > 50:
        return whole
    if not first:
        length = min(int(last), size)
        return (size - length, length, 206) if length else (0, 0, 416)
    start = int(first)
    end = min(int(last), size - 1) if last.isdigit() else size - 1
    return (start, end - start + 1, 206) if start <= end else (0, 0, 416)
