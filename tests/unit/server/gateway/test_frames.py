"""Frames of clients, which may contain anything."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tailwire.server.fanout.hub import ALL_USERS, FRIENDS_ONLY
from tailwire.server.gateway.frames import Auth, body_of, decode_frame, presence_subscription
from tailwire.server.ports.refusal import Refused


def auth(**body: Any) -> Auth:
    decoded = body_of(decode_frame(json.dumps({"type": "auth", "body": body}).encode()), Auth)
    assert isinstance(decoded, Auth)
    return decoded


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"3", b"\xff", b'{"type": 3}', b'{"body": 1} x'])
def test_invalid_frames_are_refused(text: bytes):
    with pytest.raises(Refused) as caught:
        decode_frame(text)
    assert caught.value.code == "ERR_BAD_REQUEST"


def test_platform_is_cut_to_fifty_characters_and_empty_if_it_is_not_a_text():
    assert auth(params={"platform": "x" * 51}).platform == "x" * 50
    assert auth(params={"platform": {"os": "linux"}}).platform == ""
    assert auth().platform == ""


def test_client_has_the_features_and_the_last_connection_that_its_auth_frame_names():
    assert auth(params={"platform": "x"}).client.features == []
    assert auth(params={"tailwire": {"features": ["grace"]}}).client.features == ["grace"]
    last = auth(params={"tailwire": {"last": {"cause": "slept", "lived": 1.5, "attempts": 2}}}).client.last
    assert last is not None
    assert (last.cause, last.lived, last.attempts) == ("slept", 1.5, 2)


@pytest.mark.parametrize(
    ("subscription_value", "roles", "receives"),
    [
        ("ALL_USERS", [], ALL_USERS),
        ("FRIENDS", [], FRIENDS_ONLY),
        ("ROLES", ["a", "b"], frozenset({"a", "b"})),
        ("ROLES", [], None),
        (["a"], [], frozenset({"a"})),
        (["a"], ["b"], frozenset({"a"})),
        ([], ["b"], None),
        (None, ["b"], None),
        ("anything else", ["b"], None),
    ],
)
def test_subscription_type_and_roles_decide_whose_presence_is_received(
    subscription_value: Any, roles: list[str], receives: Any
):
    assert presence_subscription(subscription_value, roles) == receives


def test_presence_of_at_most_a_hundred_roles_is_received():
    received = presence_subscription("ROLES", [f"role{n}" for n in range(150)])
    assert received is not None
    assert len(received) == 100
