"""Messages that are sent with their files, as a multipart form."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from tailwire.server.actions.content import Attachment
from tailwire.server.actions.messages import Messages
from tailwire.server.actions.raw_json import encode
from tailwire.server.actions.uploads import Files
from tailwire.server.limits.upload_quota import Reservation
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Sink
from tailwire.server.rest.asgi import headers_of
from tailwire.server.rest.forms import MAX_FIELDS_BYTES, Form, read_form
from tailwire.server.rest.operations import Call, parse
from tailwire.server.rest.requests import SendMessage
from tailwire.server.rules.decoding import decode, decode_part


class FormSender:
    """Receives a form, stores its files, and sends the message."""

    def __init__(self, messages: Messages, files: Files) -> None:
        self._messages = messages
        self._files = files

    async def send(self, call: Call) -> bytes:
        """Receive a form, and send its message with its files. Return the stored message as JSON.

        If the caller has already sent a message with the same muid, that message is returned, and nothing is stored.

        Raises:
            Refused: the form, a file, or the message is refused. This is raised as early as possible, even before the
                whole form was received. All files are discarded then.
        """
        incoming = _IncomingForm(call, self._messages, self._files)
        try:
            form = await incoming.read()
            try:
                return await self._send(call, form)
            finally:
                form.drop()
        finally:
            incoming.end()

    async def _send(self, call: Call, form: Form) -> bytes:
        files, messages = self._files, self._messages
        body = _to_body(form.fields)
        sent = await messages.find_sent(call.caller, body.muid)
        if sent is not None:
            return sent
        await messages.check_receiver(call.caller, body.receiver, body.receiver_type)
        stored: list[Attachment] = []
        try:
            for name, sink in form.files:
                if sink.size:
                    stored.append(await files.store_file(call.caller, name, sink))
            if stored:
                data = decode_part(body.data, dict[str, msgspec.Raw], "data")
                listed = decode_part(data.get("attachments", b"[]"), list[msgspec.Raw], "data.attachments")
                data["attachments"] = msgspec.Raw(encode([*listed, *stored]))
                body.data = msgspec.Raw(encode(data))
            await files.turns.wait(call.caller.uid)
            message = await messages.send(call.caller, body.to_message(call.params.get("id")))
        except BaseException:
            await files.discard(stored)
            raise
        if stored and stored[0].url.encode() not in message:
            await files.discard(stored)  # a concurrent send with the same muid was stored first
        return message


class _IncomingForm:
    # Receives a form, and decides whether it is refused before it was received completely.

    def __init__(self, call: Call, messages: Messages, files: Files) -> None:
        self._call = call
        self._messages = messages
        self._files = files
        self._count = 0
        self._taken: Reservation | None = None
        self.sent_before = False

    async def read(self) -> Form:
        content_type = headers_of(self._call.scope)[b"content-type"]
        turn = partial(self._files.turns.wait, self._call.caller.uid)
        return await read_form(self._call.receive, content_type, self._begin, self._admit, self._check, turn)

    def _begin(self, fields: dict[str, str]) -> Any:
        self._count += 1
        if self._count > self._files.max_count:
            raise Refused(
                "ERR_FILE_COUNT_EXCEEDED", f"A message has at most {self._files.max_count} files.", limit="max_files"
            )
        return _DiscardingSink(self._files.begin(), self)

    async def _admit(self, fields: dict[str, str]) -> None:
        caller = self._call.caller
        if await self._messages.find_sent(caller, fields.get("muid")) is not None:
            self.sent_before = True
            return
        if "receiver" in fields:
            body = _to_body(fields)
            await self._messages.check_receiver(caller, body.receiver, body.receiver_type)
        self._taken = await self._files.reserve(caller.uid)
        length = self._call.header(b"content-length")
        if length.isdigit():
            self._taken.reserve(int(length) - MAX_FIELDS_BYTES)

    def _check(self, size: int, total: int) -> None:
        self._files.check_size(size)
        if self._taken is not None:
            self._taken.record_written(total)

    def end(self) -> None:
        if self._taken is not None:
            self._taken.end()


class _DiscardingSink:
    # The sink of one file. Discards the bytes if the message was sent before, so that a retry needs no room.

    def __init__(self, sink: Sink, incoming: _IncomingForm) -> None:
        self._sink = sink
        self._incoming = incoming
        self._discarded = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    @property
    def size(self) -> int:
        return self._sink.size + self._discarded

    def write(self, data: bytes) -> None:
        if self._incoming.sent_before:
            self._discarded += len(data)
        else:
            self._sink.write(data)


def _to_body(fields: dict[str, str]) -> SendMessage:
    # Converts the fields of a form to the type of the JSON body for sending a message.
    known = {f.encode_name for f in msgspec.structs.fields(SendMessage)}
    pairs: dict[str, Any] = {k: v for k, v in fields.items() if k in known and k not in ("data", "tags")}
    for name, default in (("data", "{}"), ("tags", "null")):
        text = (fields.get(name) or default).encode("utf-8", "replace")
        decode(text, msgspec.Raw, name)
        pairs[name] = msgspec.Raw(text.strip())
    if bytes(pairs["data"])[:1] != b"{":
        raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": "Send an object."})
    return parse(encode(pairs), SendMessage)
