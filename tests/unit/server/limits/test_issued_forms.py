"""Forms for uploads to the bucket: outstanding until the file is accepted or too old, issued until the form expires."""

from __future__ import annotations

from tailwire.server.limits.issued_forms import MAX_FORMS, IssuedForms


def test_forms_count_until_they_are_removed_or_expire():
    now = [0.0]
    forms = IssuedForms(lambda: now[0], 100.0, 40.0)
    forms.add("a", "alice", 10)
    forms.add("b", "bob", 5)
    now[0] = 50.0
    forms.add("c", "alice", 20)
    assert (forms.outstanding_bytes("alice"), forms.outstanding_bytes("bob"), forms.outstanding_bytes("carol")) == (
        30,
        5,
        0,
    )
    forms.remove("c")
    forms.remove("never given out")
    assert forms.outstanding_bytes("alice") == 10
    now[0] = 101.0
    assert (forms.outstanding_bytes("alice"), forms.outstanding_bytes("bob")) == (0, 0)
    assert not forms._forms
    assert not forms._by_user


def test_form_that_was_used_may_be_used_again_until_it_expires():
    now = [0.0]
    forms = IssuedForms(lambda: now[0], 100.0, 40.0)
    forms.add("a", "alice", 10)
    forms.remove("a")
    now[0] = 20.0
    forms.add("b", "alice", 5)
    assert (forms.issued_bytes("alice"), forms.outstanding_bytes("alice"), forms.issued_bytes("bob")) == (15, 5, 0)
    now[0] = 40.0
    assert (forms.issued_bytes("alice"), forms.outstanding_bytes("alice")) == (5, 5)
    now[0] = 60.0
    assert (forms.issued_bytes("alice"), forms.outstanding_bytes("alice")) == (0, 5)
    assert not forms._unexpired
    assert not forms._unexpired_bytes


def test_user_has_a_limited_number_of_forms():
    forms = IssuedForms(lambda: 0.0, 100.0, 40.0)
    for number in range(MAX_FORMS):
        forms.add(str(number), "alice", 1)
    assert forms.is_full("alice", 1)
    assert not forms.is_full("alice", 0)
    assert not forms.is_full("bob", MAX_FORMS)
