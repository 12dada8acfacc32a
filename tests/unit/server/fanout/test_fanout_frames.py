"""Frames are encoded once, as JSON that names what precedes them."""

from __future__ import annotations

import json

from tailwire.server.fanout.frames import text_frame, with_before, with_head, with_number
from tailwire.wire.frames import FrameType


def test_frame_is_unmasked_text():
    assert text_frame(b"hi") == b"\x81\x02hi"
    assert text_frame(b"x" * 200)[:4] == b"\x81\x7e\x00\xc8"


def test_frame_names_its_predecessor():
    assert json.loads(with_before(b'{"a":1}', 7)) == {"a": 1, "before": 7}
    assert json.loads(with_number(b'{"a":1}', 7, 0)) == {"a": 1, "number": 7}
    assert json.loads(with_number(b'{"a":1}', 7, 5)) == {"a": 1, "number": 7, "settled": 5}


def test_head_is_followed_by_the_body():
    head = with_head(FrameType.MESSAGE, b'"bob"', b'"user"', b'"device"', b'"ann"', b'"app"')
    assert json.loads(head + b"{}}") == {
        "appId": "app", "receiver": "bob", "receiverType": "user", "deviceId": "device", "type": "message",
        "sender": "ann", "body": {},
    }  # fmt: skip
