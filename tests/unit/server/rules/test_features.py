"""The features that a role can be denied."""

from __future__ import annotations

from tailwire.server.rules.features import FEATURES, feature_key


def test_feature_has_its_documented_key():
    assert feature_key("createMessage") == "u.createMessage"
    assert {"addMember", "ban", "joinGroup", "deleteMessage", "getMyDetails", "patchOwner"} <= set(FEATURES)
    assert all(path.startswith("/v3/") and text for text, path in FEATURES.values())
