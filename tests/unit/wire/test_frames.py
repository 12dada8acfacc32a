"""The frames that a client sends, and the proof of a pass."""

from __future__ import annotations

import hashlib

from tailwire.wire.frames import CLIENT_FEATURES, FrameType, app_state_frame, auth_frame, envelope, proof_of


def test_auth_frame_names_user_device_and_features():
    frame = auth_frame("app", "ann", "phone", "jwt", None, version="1.0")
    assert (frame["appId"], frame["sender"], frame["deviceId"], frame["type"]) == ("app", "ann", "phone", "auth")
    body = frame["body"]
    assert (body["auth"], body["deviceId"]) == ("jwt", "phone")
    assert body["params"]["tailwire"] == {"features": CLIENT_FEATURES}
    assert "presenceSubscription" not in body


def test_presence_is_subscribed_to_for_all_users_for_friends_or_for_roles():
    def subscribed(presence):
        body = auth_frame("app", "ann", "phone", "jwt", presence, version="1.0")["body"]
        return body.get("presenceSubscription"), body.get("roles")

    assert subscribed("ALL_USERS") == ("ALL_USERS", None)
    assert subscribed("FRIENDS") == ("FRIENDS", None)
    assert subscribed(("default", "guide")) == ("ROLES", ["default", "guide"])
    assert subscribed("") == subscribed(()) == (None, None)


def test_auth_frame_reports_how_the_last_socket_ended():
    last = {"cause": "pong_timeout", "lived": 12.5, "attempts": 2}
    body = auth_frame("app", "ann", "phone", "jwt", None, version="1.0", last=last)["body"]
    assert body["params"]["tailwire"]["last"] == last


def test_envelope_names_its_receiver():
    assert envelope("app", FrameType.TYPING, "ann", "phone", "g", "group", {"action": "started"}) == {
        "appId": "app",
        "receiver": "g",
        "receiverType": "group",
        "deviceId": "phone",
        "type": "typing_indicator",
        "sender": "ann",
        "body": {"action": "started"},
    }


def test_state_of_the_app_is_reported_with_its_window():
    frame = app_state_frame("app", "ann", "phone", "background", 30.0)
    assert (frame["type"], frame["sender"], frame["deviceId"]) == ("app_state", "ann", "phone")
    assert frame["body"] == {"state": "background", "window": 30.0}


def test_proof_of_a_pass_has_a_hash_instead_of_the_signature():
    proof = proof_of("head.claims.signature")
    assert proof == "head.claims." + hashlib.sha256(b"signature").hexdigest()


def test_text_that_is_not_a_pass_has_no_proof():
    for other in ("", "secret", "ä.signature"):
        assert proof_of(other) == ""
