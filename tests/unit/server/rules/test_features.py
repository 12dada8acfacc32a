"""The features that a role can be denied."""

from __future__ import annotations

from tailwire.server.rules.features import FEATURES, feature_key


def test_key_of_each_feature_is_its_name_after_u_and_a_dot():
    assert [feature_key(name) for name in FEATURES] == [f"u.{name}" for name in FEATURES]
    assert {"addMember", "ban", "joinGroup", "deleteMessage", "getMyDetails", "patchOwner"} <= set(FEATURES)
    assert all(path.startswith("/v3/") and text for text, path in FEATURES.values())
