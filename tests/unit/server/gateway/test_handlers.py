"""Which types of frames the server receives, and which it sends."""

from __future__ import annotations

import re
from pathlib import Path

import tailwire.server
from tailwire.server.actions.delivery import Delivery
from tailwire.server.gateway.handlers import FrameHandlers
from tailwire.wire.frames import FrameType

RECEIVED = {FrameType.AUTH, FrameType.TYPING, FrameType.RECEIPTS, FrameType.TRANSIENT, FrameType.APP_STATE}
SERVER = Path(tailwire.server.__file__).parent


def sources(*, without: str) -> str:
    """Return the code of the server, except for one file."""
    return "".join(path.read_text() for path in SERVER.rglob("*.py") if path.name != without)


def test_each_frame_type_that_the_server_receives_has_a_handler():
    handlers = FrameHandlers(None, None, None, lambda: 0.0, lambda uid: None)  # type: ignore[arg-type]
    assert set(handlers.by_type) == RECEIVED


def test_each_frame_type_that_the_server_does_not_receive_is_used_outside_its_handlers():
    """The contents of each frame are tested elsewhere, with the action that sends it."""
    named = set(re.findall(r"\bFrameType\.([A-Z_]+)", sources(without="handlers.py")))
    assert {kind for kind in FrameType if kind.name not in named} <= RECEIVED


def test_each_public_method_of_delivery_is_called_by_the_server():
    code = sources(without="delivery.py")
    methods = [name for name, one in vars(Delivery).items() if callable(one) and not name.startswith("_")]
    assert len(methods) > 10
    assert [name for name in methods if not re.search(rf"delivery\.{name}\b", code)] == []
