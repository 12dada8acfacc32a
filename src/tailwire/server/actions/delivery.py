"""Wraps what happened into frames and publishes them to those concerned."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.present import encode
from tailwire.server.fanout.frames import with_head
from tailwire.server.ports.broker import PRESENCE, Broker, Publication, group_subject, user_subject
from tailwire.server.ports.records import MessageRow


class Delivery:
    """Publishes frames. To everyone concerned but the device that caused them."""

    def __init__(self, broker: Broker, app_id: str) -> None:
        self._broker = broker
        self._app = encode(app_id)

    def message(self, row: MessageRow, json: bytes, device: str) -> None:
        """A message was stored."""
        payload = self._frame(b'"message"', row.sender, device, row.receiver, row.receiver_type, json)
        self._to_conversation(row.sender, row.receiver, row.receiver_type, Publication(payload, device))

    def typing(self, caller: Caller, receiver: str, receiver_type: str, body: dict[str, Any]) -> None:
        """Somebody began, or stopped, typing."""
        frame = self._frame(b'"typing_indicator"', caller.uid, caller.device, receiver, receiver_type, encode(body))
        publication = Publication(frame, caller.device, droppable=True)
        subject = group_subject(receiver) if receiver_type == "group" else user_subject(receiver)
        self._broker.publish(subject, publication)

    def receipt(
        self, caller: Caller, receiver: str, receiver_type: str, message_sender: str, body: dict[str, Any]
    ) -> None:
        """Somebody received or read a conversation: told to the message's sender, and to the reader's other devices."""
        frame = self._frame(b'"receipts"', caller.uid, caller.device, receiver, receiver_type, encode(body))
        frame = frame[:-1] + b',"messageSender":%b}' % encode(message_sender)
        for uid in {message_sender, caller.uid}:
            self._broker.publish(user_subject(uid), Publication(frame, caller.device))

    def presence(self, uid: str, role: str, body: dict[str, Any]) -> None:
        """A user came online or went offline."""
        frame = self._frame(b'"presence"', uid, "", uid, "user", encode(body))
        self._broker.publish(PRESENCE, Publication(frame, droppable=True, role=role))

    def membership(self, uid: str, guid: str, *, joined: bool) -> None:
        """A user's sockets begin, or cease, to hear a group."""
        self._broker.publish(user_subject(uid), Publication(guid=guid, joined=joined))

    def token_gone(self, uid: str, token: str) -> None:
        """A token was taken back: the sockets that it opened end."""
        self._broker.publish(user_subject(uid), Publication(gone=token))

    def _to_conversation(self, sender: str, receiver: str, receiver_type: str, publication: Publication) -> None:
        if receiver_type == "group":
            self._broker.publish(group_subject(receiver), publication)
            return
        self._broker.publish(user_subject(receiver), publication)
        if sender != receiver:
            self._broker.publish(user_subject(sender), publication)

    def _frame(
        self, kind: bytes, sender: str, device: str, receiver: str, receiver_type: str, body: bytes | msgspec.Raw
    ) -> bytes:
        head = with_head(
            kind,
            encode(receiver),
            b'"group"' if receiver_type == "group" else b'"user"',
            encode(device),
            encode(sender),
            self._app,
        )
        return b"%b%b}" % (head, body)
