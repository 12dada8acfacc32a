"""Validates the content of messages. Of the `data` only the keys that CometChat documents are stored."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

from tailwire.server.actions.directory import Directory
from tailwire.server.actions.raw_json import ABSENT, absent, decode_object
from tailwire.server.ports.file_urls import is_stored_url
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules import messages as rules
from tailwire.server.rules.urls import check_address

Pixels = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Attachment(msgspec.Struct, rename="camel", omit_defaults=True):
    """An attachment, as clients send it and as it is stored."""

    url: str = ""
    name: str = ""
    mime_type: str = ""
    extension: str = ""
    size: str | int = ""
    width: Pixels | None = None
    height: Pixels | None = None
    thumbnail: str | None = None


class Data(msgspec.Struct, rename="camel"):
    """The `data` of a message, as clients send it."""

    text: Any = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    custom_data: msgspec.Raw = msgspec.field(default_factory=absent)
    interactive_data: msgspec.Raw = msgspec.field(default_factory=absent)
    interaction_goal: msgspec.Raw = msgspec.field(default_factory=absent)
    allow_sender_interaction: bool | None = None
    attachments: list[Attachment] | None = None
    url: str | None = None
    sub_type: str | None = None
    conversation_text: str | None = None
    update_conversation: bool | None = None
    send_notification: bool | None = None


class Content(NamedTuple):
    """Validated content (a tuple, because one is made for each send).

    Attributes:
        data: the message's `data`, which has not been encoded yet.
        traits: what the content contains, such as links or attachments, as bits of `records.Trait`.
        mentions: the uids of the users that the text mentions.
        updates_conversation: whether the message may become the last one of its conversation.
    """

    data: dict[str, Any]
    traits: int
    mentions: tuple[str, ...] = ()
    updates_conversation: bool = True


_decode_data = msgspec.json.Decoder(Data).decode


def fields_of(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Return the fields of the `data` of a message, encoded. They are not validated.

    Raises:
        Refused: ERR_INVALID_MESSAGE_DATA: it is not an object.
    """
    try:
        return decode_object(raw)
    except msgspec.ValidationError as e:
        raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": str(e)}) from e


async def read_content(category: str, kind: str, raw: msgspec.Raw, directory: Directory, max_bytes: int) -> Content:
    """Return the content in the `data` of a message, after validating it.

    Args:
        category: the message's `category`.
        kind: the message's `type`.
        raw: its `data`.
        directory: finds the users whom the text mentions.
        max_bytes: the limit for the size of `data`.

    Raises:
        Refused: with the code of `wire.catalogue` for what is wrong.
    """
    raw_bytes = bytes(raw)
    try:
        sent = _decode_data(raw_bytes)
    except msgspec.ValidationError as e:
        raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": str(e)}) from e
    attachments = [a for a in sent.attachments or () if a.url]
    if sent.url and not attachments:
        attachments = [Attachment(url=sent.url)]
    for attachment in attachments:
        _check_attachment(attachment)
    custom, interactive = _is_object(sent.custom_data), _is_object(sent.interactive_data)
    rules.check_content(category, kind, sent.text, len(attachments), custom, interactive, len(raw_bytes), max_bytes)
    data: dict[str, Any] = {}
    if sent.text is not None:
        data["text"] = sent.text
    if attachments and category == "message" and kind != "text":
        data["attachments"] = attachments
        data["url"] = attachments[0].url
    elif attachments:
        attachments = []
    if category == "custom":
        data["customData"] = sent.custom_data
    elif category == "interactive":
        _copy_interactive(sent, data)
    if sent.metadata is not ABSENT and bytes(sent.metadata) != b"null":
        if not _is_object(sent.metadata):
            raise Refused("ERR_INVALID_METADATA")
        data["metadata"] = sent.metadata
    if category != "message":
        _copy_options(sent, data)
    mentions: tuple[str, ...] = ()
    if sent.text and "<@uid:" in sent.text:
        mentions = await _store_mentions(sent.text, data, directory)
    traits = rules.traits_of(sent.text, mentions, len(attachments))
    return Content(data, traits, mentions, sent.update_conversation is not False)


def _is_object(raw: msgspec.Raw) -> bool:
    return raw is not ABSENT and bytes(raw).startswith(b"{")


def _check_attachment(attachment: Attachment) -> None:
    place = "data.attachments"
    for name, url in (("url", attachment.url), ("thumbnail", attachment.thumbnail)):
        if url and not is_stored_url(url):
            check_address(url, f"{place}.{name}", picture=True)
    size = attachment.size
    if isinstance(size, str) and size and not (size.isascii() and size.isdecimal() and len(size) < 16):
        raise Refused("ERR_BAD_REQUEST", {f"{place}.size": "Use a number of bytes."})
    if isinstance(size, int) and not 0 <= size < 2**53:
        raise Refused("ERR_BAD_REQUEST", {f"{place}.size": "Use a number of bytes."})


def _copy_interactive(sent: Data, data: dict[str, Any]) -> None:
    data["interactiveData"] = sent.interactive_data
    if bytes(sent.interaction_goal) != b"null":
        data["interactionGoal"] = sent.interaction_goal
    if sent.allow_sender_interaction is not None:
        data["allowSenderInteraction"] = sent.allow_sender_interaction


def _copy_options(sent: Data, data: dict[str, Any]) -> None:
    for key, value in (
        ("subType", sent.sub_type),
        ("conversationText", sent.conversation_text),
        ("updateConversation", sent.update_conversation),
        ("sendNotification", sent.send_notification),
    ):
        if value is not None:
            data[key] = value


async def _store_mentions(text: str, data: dict[str, Any], directory: Directory) -> tuple[str, ...]:
    # Mentions of users who do not exist remain plain text.
    found: dict[str, Any] = {}
    for uid in rules.mentioned_in(text):
        try:
            found[uid] = await directory.stored_entity(uid)
        except Refused as e:
            if e.code != "ERR_UID_NOT_FOUND":
                raise
    if found:
        data["mentions"] = found
    return tuple(found)
