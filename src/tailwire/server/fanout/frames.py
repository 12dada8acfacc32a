"""Encodes frames, once for each event and not for each socket."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from tailwire.wire.frames import FrameType


def text_frame(payload: bytes) -> bytes:
    """Return an encoded WebSocket text frame, unmasked as servers send it, to be written to any number of sockets."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def with_before(json: bytes, predecessor_id: int, ended: int = 0) -> bytes:
    """Add the field `before`, the id of the preceding message, to the frame of a message (feature `chain`).

    Args:
        json: the frame, an encoded JSON object that is not empty.
        predecessor_id: the id of the preceding message in the conversation.
        ended: the value of a second field `ended`. For the message that announces that a user has joined a group again,
            it is the id of the message with which their last membership ended, the last one that they have seen before.
            0 to omit the field.

    Returns:
        The encoded object with the fields added at the end.
    """
    if not ended:
        return b'%b,"before":%d}' % (json[:-1], predecessor_id)
    return b'%b,"before":%d,"ended":%d}' % (json[:-1], predecessor_id, ended)


def with_number(json: bytes, number: int, settled: int) -> bytes:
    """Add the field `number`, the number of the change in the change log, to the frame of a change (feature `chain`).

    Args:
        json: the frame, an encoded JSON object that is not empty.
        number: the number of the change.
        settled: the value of a second field `settled`: every change up to this number was sent to the socket before.
            0 to omit the field, because that is not known.

    Returns:
        The encoded object with the fields added at the end.
    """
    if not settled:
        return b'%b,"number":%d}' % (json[:-1], number)
    return b'%b,"number":%d,"settled":%d}' % (json[:-1], number, settled)


def frame_head(
    kind: FrameType, receiver: bytes, receiver_type: bytes, device: bytes, sender: bytes, app: bytes
) -> bytes:
    """Return the beginning of a frame as encoded JSON, up to the colon before its body.

    Append the encoded body and `}` to complete the frame.

    Args:
        kind: the type of the frame.
        receiver, receiver_type: the uid or guid of the receiver, and which of them it is.
        device: the device of the sender.
        sender: the uid of the sender.
        app: the id of the app. All arguments but `kind` are encoded JSON strings, with quotation marks.
    """
    return b'{"appId":%b,"receiver":%b,"receiverType":%b,"deviceId":%b,"type":"%b","sender":%b,"body":' % (
        app,
        receiver,
        receiver_type,
        device,
        kind.encode(),
        sender,
    )
