"""Handlers of the steps that change messages, or send them with tags, mentions and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tailwire.sdk.calls.uploads import UploadFile
from tailwire.sdk.exceptions import CometChatException
from tailwire.testing.simulation.contents import stored_name
from tailwire.testing.simulation.simulation import Simulation, ignore_errors
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import MediaMessage, TextMessage

if TYPE_CHECKING:
    from tailwire.testing.simulation.device import Device


def mention(uids: list[str]) -> str:
    """Return a text that mentions users, to append to a message's text; "" for no users."""
    return "".join(f" <@uid:{uid}>" for uid in uids)


def _kind(sim: Simulation, receiver: str) -> ReceiverTypeName:
    return "group" if receiver == sim.group else "user"


def _say(sim: Simulation, device: Device, value: Any) -> None:
    receiver, tags, uids, queued = value
    sim.send_text(device, receiver, _kind(sim, receiver), queued=queued, more=mention(uids), tags=tags)


def change(sim: Simulation, device: Device, *, delete: bool, more: str = "", tags: Sequence[str] = ()) -> None:
    """Start to edit or delete the last acknowledged message of a device. Without effect if there is none.

    Args:
        sim: the run.
        device: the device.
        delete: whether to delete the message; otherwise it is edited.
        more: a text that is appended to the new text.
        tags: the new tags; empty to keep the tags.
    """
    chat = device.chat
    mine = [s for s in sim.sends.values() if s.by == device.name and s.id]
    if chat is None or not mine or chat.get_logged_in_user() is None:
        return
    send = mine[-1]
    text = "" if delete else f"{send.muid} edited{more}"
    if tags:
        send.tags.add(tuple(tags))
    send.texts.add(text)  # a valid text from now on
    message: Any = TextMessage(receiver="bob", id=send.id, text=text, tags=list(tags))
    if send.files:
        message = MediaMessage(receiver="bob", id=send.id, caption=text, tags=list(tags))
    device.run(ignore_errors(chat.delete_message(send.id) if delete else chat.edit_message(message)))


def _edit(sim: Simulation, device: Device, value: Any) -> None:
    tags, uids = value
    change(sim, device, delete=False, tags=tags, more=mention(uids))


def _send_file(sim: Simulation, device: Device, value: Any) -> None:
    # The file is uploaded first, so that it is known which file the message refers to.
    receiver, size, tags = value
    chat, text = device.chat, sim.next_text()
    if chat is None or chat.get_logged_in_user() is None:
        return
    content = (f"{text}\n" * size).encode()[:size]

    async def work() -> None:
        try:
            file = UploadFile(content=content, name=f"{text}.txt")
            attachments = await chat.upload_attachments(receiver, _kind(sim, receiver), [file])
        except CometChatException as error:
            device.log("not uploaded", text, error.code)
            return
        if device.chat is not chat or chat.get_logged_in_user() is None:
            return
        message = MediaMessage(
            receiver=receiver, receiver_type=_kind(sim, receiver), caption=text, muid=text, tags=tags,
            attachments=attachments,
        )  # fmt: skip
        sim.send(device, message, files={stored_name(attachments[0].url): content})

    device.run(work())


DEVICE_STEPS: dict[str, Any] = {"say tagged": _say, "edit tagged": _edit, "send file": _send_file}
