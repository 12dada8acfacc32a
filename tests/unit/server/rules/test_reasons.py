"""The reasons for reporting a message."""

from __future__ import annotations

from tailwire.server.rules.reasons import FLAG_REASONS, listed_reasons


def test_each_reason_is_listed_with_its_id_name_and_description():
    listed = listed_reasons()
    assert {reason["id"]: (reason["name"], reason["description"]) for reason in listed} == FLAG_REASONS
    assert [set(reason) for reason in listed] == [{"id", "name", "description"}] * len(FLAG_REASONS)
    assert listed[0] == {"id": "spam", "name": "Spam", "description": "Unwanted, repeated or commercial content."}
