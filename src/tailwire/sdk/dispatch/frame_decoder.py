"""Decode the frames of a socket by their type, and pass them on.

Frames that this device itself caused are dropped (S27). A frame that cannot be read is logged and dropped; a type that
this version does not know is ignored.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, get_args

from tailwire.sdk.dispatch import history
from tailwire.sdk.dispatch.drafts import Drafts
from tailwire.sdk.dispatch.typists import Typists
from tailwire.sdk.io.link import Granted, parse_granted
from tailwire.sdk.io.reading import read_frame
from tailwire.sdk.listeners import events as e
from tailwire.wire.codec import (
    DECODING_ERRORS,
    group_from_wire,
    message_from_wire,
    object_of,
    text_at,
    user_from_wire,
)
from tailwire.wire.entities import BaseMessage, MessageReceipt
from tailwire.wire.frames import FrameType
from tailwire.wire.social import (
    conversation_from_wire,
    reaction_event_from_frame,
    receipt_from_frame,
    transient_from_frame,
    typing_from_frame,
)

log = logging.getLogger("tailwire")
Frame = Mapping[str, Any]


class Sink(Protocol):
    """The receiver of decoded frames; `Incoming` is one."""

    def take_message(self, message: BaseMessage | history.Unreadable, frame: Frame) -> None:
        """Handle a message.

        Args:
            frame: its frame, which may name the id of the message before it in the conversation.
        """

    def take_receipt(self, receipt: MessageReceipt, number: object, settled: object = None) -> None:
        """Handle a receipt; `number` and `settled` as for `take_change`."""

    def take_change(self, event: e.Event, number: object, settled: object = None) -> None:
        """Handle a change: an event that is not a message, and may have a number in the server's change log.

        Args:
            number: the `number` of the frame, which is the number of the change. Not validated; None if missing.
            settled: the `settled` of the frame: the server has sent all changes up to this number. Not validated; None
                if missing.
        """

    def put(self, event: e.Event) -> None:
        """Queue an event that is neither stored in history nor in the change log, such as a presence event."""


class FrameDecoder:
    """Decodes the frames of one client and passes them on.

    Args:
        sink: gets the decoded frames.
        device: this client's resource.
        typists, drafts: get the frames about typing and drafts; their `end_all_of` is called for users who went
            offline.
        pong: called for each pong.
        throttled: called with True when the server turned features off, and with False when it turned them on again.
        token_answered: called with what the server granted when it accepted an offered token, and with None when it
            rejected the token.

    Attributes:
        receipts_blocked: whether the server accepts no receipts at present, because of its load.
        uid: the uid of the logged-in user. Frames that this user caused with this device are ignored (S27).
    """

    def __init__(
        self,
        sink: Sink,
        device: str,
        typists: Typists,
        drafts: Drafts,
        *,
        pong: Callable[[], None],
        throttled: Callable[[bool], None],
        token_answered: Callable[[Granted | None], None],
    ) -> None:
        self._sink = sink
        self._device = device
        self._typists = typists
        self._drafts = drafts
        self._pong = pong
        self._throttled = throttled
        self._token_answered = token_answered
        self.receipts_blocked: bool = False
        self.uid: str = ""

    def handle(self, text: str | bytes) -> float | None:
        """Handle a frame.

        Returns:
            If the frame announces a restart of the server, the seconds over which clients are to spread their
            reconnects; else None.
        """
        try:
            frame = read_frame(text)
            kind = frame.get("type")
            handler = HANDLERS.get(kind)
            if handler is None:
                if kind is None and frame.get("action") == "pong":
                    self._pong()
            elif kind == FrameType.AUTH or not self._is_own(frame):  # a reply names its own device
                return handler(self, frame)
        except DECODING_ERRORS as error:
            log.warning("a frame cannot be read: %s", error)
        return None

    def _is_own(self, frame: Frame) -> bool:
        # The name of the device is chosen by the sender, and everybody sees it: another user may use it as well.
        return frame.get("deviceId") == self._device and frame.get("sender") == self.uid

    def _handle_message(self, frame: Frame) -> None:
        message = history.decode_message(frame.get("body"))
        if message is not None:
            self._sink.take_message(message, frame)

    def _handle_receipt(self, frame: Frame) -> None:
        self._sink.take_receipt(receipt_from_frame(frame), frame.get("number"), frame.get("settled"))

    def _handle_typing(self, frame: Frame) -> None:
        self._typists.handle(typing_from_frame(frame))

    def _handle_presence(self, frame: Frame) -> None:
        user = user_from_wire(frame["body"]["user"])
        action = frame["body"].get("action")
        user.status = action if action in ("online", "away") else "offline"
        if user.status == "offline":
            self._typists.end_all_of(user.uid)
            self._drafts.end_all_of(user.uid)
        self._sink.put(e.PresenceChanged(user))

    def _handle_transient(self, frame: Frame) -> None:
        message = transient_from_frame(frame)
        if not self._drafts.handle(message):
            self._sink.put(e.TransientReceived(message))

    def _handle_event(self, frame: Frame) -> None:
        self._sink.take_change(EVENTS[frame["type"]](frame), frame.get("number"), frame.get("settled"))

    def _handle_auth(self, frame: Frame) -> None:
        body = frame["body"]
        self._token_answered(parse_granted(body.get("tailwire")) if body.get("status") == "OK" else None)

    def _handle_server(self, frame: Frame) -> float | None:
        body = frame["body"]
        match body.get("action"):
            case "restarting":
                return float(body.get("within", 0.0))
            case "throttled":
                self.record_shed(body.get("shed"))
            case "throttledNoMore":
                self.receipts_blocked = False
                self._throttled(False)
            case "error":
                log.warning("the server refused a frame: %s", body.get("error"))
        return None

    def record_shed(self, features: object) -> None:
        """Record whether receipts are among the features that the server has turned off, and call `throttled(True)`.

        Args:
            features: a list of the names of these features. Anything else is taken as `["receipts"]`.
        """
        self.receipts_blocked = not isinstance(features, list | tuple) or "receipts" in features
        self._throttled(True)

    def _ignore(self, frame: Frame) -> None:
        """Ignore a frame that only clients send."""


def _decode_reaction(frame: Frame) -> e.Event:
    added, event = reaction_event_from_frame(frame)
    return e.ReactionChanged(event, added)


def _decode_pin(frame: Frame) -> e.Event:
    body = frame.get("body") or {}
    return e.MessagePinned(message_from_wire(body.get("message")), body.get("action") == "pinned")


def _decode_save(frame: Frame) -> e.Event:
    body = frame.get("body") or {}
    return e.MessageSaved(message_from_wire(body.get("message")), body.get("action") == "saved")


def _decode_conversation_pin(frame: Frame) -> e.Event:
    body = frame.get("body") or {}
    return e.ConversationPinned(conversation_from_wire(body.get("conversation")), body.get("action") == "pinned")


def _decode_conversation_list(frame: Frame) -> e.Event:
    body = object_of(frame.get("body"), "body")
    change = _LIST_CHANGES[body["action"]]
    group = group_from_wire(body.get("group")) if change == "group" else None
    return e.ConversationListChanged(
        change, text_at(body, "conversationType"), text_at(body, "conversationWith"), group
    )


_LIST_CHANGES: dict[Any, e.ListChange] = {change: change for change in get_args(e.ListChange)}
EVENTS: dict[str, Callable[[Frame], e.Event]] = {
    FrameType.REACTION: _decode_reaction,
    FrameType.PIN: _decode_pin,
    FrameType.SAVE: _decode_save,
    FrameType.CONVERSATION_PIN: _decode_conversation_pin,
    FrameType.CONVERSATION_LIST: _decode_conversation_list,
}
"""The function that decodes a frame to an event, by the type of the frame, for the frames that report a change."""


def event_of_change(frame: Any) -> e.Event | None:
    """Return the event of a frame of the change log; None if it cannot be read, or this version does not know it."""
    try:
        kind = frame["type"]
        if kind == FrameType.RECEIPTS:
            return e.ReceiptReceived(receipt_from_frame(frame))
        return EVENTS[kind](frame) if kind in EVENTS else None
    except DECODING_ERRORS as error:
        log.warning("a change cannot be read and is skipped: %s", error)
        return None


HANDLERS: dict[Any, Callable[[FrameDecoder, Frame], float | None]] = {
    FrameType.AUTH: FrameDecoder._handle_auth,
    FrameType.APP_STATE: FrameDecoder._ignore,
    FrameType.SERVER: FrameDecoder._handle_server,
    FrameType.MESSAGE: FrameDecoder._handle_message,
    FrameType.RECEIPTS: FrameDecoder._handle_receipt,
    FrameType.TYPING: FrameDecoder._handle_typing,
    FrameType.TRANSIENT: FrameDecoder._handle_transient,
    FrameType.PRESENCE: FrameDecoder._handle_presence,
    **dict.fromkeys(EVENTS, FrameDecoder._handle_event),
}
