"""Encodes frames once per event, not once per socket."""

from __future__ import annotations

from websockets.frames import Frame, Opcode

from tailwire.wire.frames import FrameType


def text_frame(payload: bytes) -> bytes:
    """Return an encoded WebSocket text frame, unmasked as servers send it, to be written to any number of sockets."""
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def with_before(json: bytes, predecessor_id: int, ended: int = 0) -> bytes:
    """Return an encoded JSON object with the id of the preceding message added as `before` (feature `chain`).

    Args:
        json: an object that has fields already.
        predecessor_id: the id of the preceding message.
        ended: if a user joined, the id of the message that precedes it for them, which is added too; else 0.
    """
    if not ended:
        return b'%b,"before":%d}' % (json[:-1], predecessor_id)
    return b'%b,"before":%d,"ended":%d}' % (json[:-1], predecessor_id, ended)


def with_number(json: bytes, number: int, settled: int) -> bytes:
    """Return an encoded JSON object with the number of the change in the change log added (feature `chain`).

    Args:
        settled: every change up to this number was sent before; 0 if that is not known.
    """
    if not settled:
        return b'%b,"number":%d}' % (json[:-1], number)
    return b'%b,"number":%d,"settled":%d}' % (json[:-1], number, settled)


def frame_head(
    kind: FrameType, receiver: bytes, receiver_type: bytes, device: bytes, sender: bytes, app: bytes
) -> bytes:
    """Return the beginning of a frame, up to its body.

    Args:
        receiver, receiver_type, device, sender, app: JSON strings with quotation marks, already escaped; the device is
            that of the sender, and the app is its id.
    """
    return b'{"appId":%b,"receiver":%b,"receiverType":%b,"deviceId":%b,"type":"%b","sender":%b,"body":' % (
        app,
        receiver,
        receiver_type,
        device,
        kind.encode(),
        sender,
    )
