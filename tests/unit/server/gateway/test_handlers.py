"""Which types of frames the server receives, and which it sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from websockets.frames import Opcode

import tailwire.server
from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.gateway.handlers import FrameHandlers
from tailwire.server.gateway.server_frames import auth_result, server_frame
from tailwire.server.ports.broker import FramePublication
from tailwire.wire.frames import FrameType

RECEIVED = {FrameType.AUTH, FrameType.TYPING, FrameType.RECEIPTS, FrameType.TRANSIENT, FrameType.APP_STATE}
SENT = {
    FrameType.AUTH, FrameType.MESSAGE, FrameType.TYPING, FrameType.RECEIPTS, FrameType.PRESENCE, FrameType.TRANSIENT,
    FrameType.REACTION, FrameType.PIN, FrameType.SAVE, FrameType.CONVERSATION_PIN, FrameType.CONVERSATION_LIST, FrameType.SERVER,
}  # fmt: skip


class RecordingBroker:
    def __init__(self) -> None:
        self.types: set[str] = set()

    def publish(self, subject: str, publication: Any) -> None:
        if isinstance(publication, FramePublication):
            self.types.add(json.loads(publication.payload)["type"])


def type_of(frame: bytes) -> str:
    """The `type` of an encoded WebSocket frame without a mask."""
    payload = frame[2:] if frame[1] < 126 else frame[4:]
    assert frame[0] & 0x0F == Opcode.TEXT
    return json.loads(payload)["type"]


def test_the_server_receives_these_frames():
    handlers = FrameHandlers(None, None, None, lambda: 0.0, lambda uid: None)  # type: ignore[arg-type]
    assert set(handlers.by_type) == RECEIVED


def test_the_server_sends_these_frames():
    broker = RecordingBroker()
    delivery = Delivery(broker, "app", "http://server")  # type: ignore[arg-type]
    caller = Caller("alice", "device", "token")
    row: Any = SimpleNamespace(
        id=1, sender="alice", receiver="bob", receiver_type="user", conversation_id="alice_user_bob", parent_id=None
    )
    delivery.message(row, b"{}", "device")
    delivery.typing(caller, "bob", "user", {})
    delivery.transient(caller, "bob", "user", {})
    delivery.receipt(caller, "bob", "user", "bob", {}, "bob", 1)
    delivery.receipt_of_all(caller, "team", "bob", {}, 2)
    delivery.reaction(caller, row, {}, 3)
    delivery.pin(caller, row, "pinned", b"{}", 4)
    delivery.save(caller, "saved", b"{}", 5)
    delivery.conversation_pin(caller, "pinned", b"{}", 6)
    delivery.own_list(caller, "blocks", 7)
    delivery.presence("alice", "default", {}, frozenset(), frozenset())
    own = {type_of(server_frame({})), type_of(auth_result("app", "device", "alice", {}))}
    assert broker.types | own == SENT


def test_every_frame_type_is_received_or_sent():
    assert set(FrameType) == RECEIVED | SENT


def test_each_method_that_publishes_is_called_by_the_server():
    folder = Path(tailwire.server.__file__).parent
    sources = "".join(path.read_text() for path in folder.rglob("*.py") if path.name != "delivery.py")
    methods = [name for name, one in vars(Delivery).items() if callable(one) and not name.startswith("_")]
    assert len(methods) > 10
    assert [name for name in methods if not re.search(rf"delivery\.{name}\b", sources)] == []
