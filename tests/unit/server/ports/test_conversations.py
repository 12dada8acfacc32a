"""Ids and keys of conversations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tailwire.server.ports.conversations import conversation_of, group_in, id_of, key_of, keys_with_id, other_in

# Few letters, and the separators of ids, so that collisions are found quickly.
NAMES = st.lists(st.sampled_from(["a", "b", "user", "group", "_", "_user_", "group_"]), min_size=1, max_size=4).map(
    "".join
)
PLACES = st.one_of(
    st.tuples(NAMES, NAMES, st.just("user")),
    st.tuples(st.just(""), NAMES, st.just("group")),
)


def who(place: tuple[str, str, str]) -> object:
    sender, receiver, kind = place
    return receiver if kind == "group" else frozenset((sender, receiver))


@given(PLACES, PLACES)
def test_different_conversations_have_different_keys(one, other):
    same = (one[2], who(one)) == (other[2], who(other))
    assert (key_of(*one) == key_of(*other)) == same


@given(PLACES)
def test_key_yields_the_participants_and_the_id(place):
    sender, receiver, kind = place
    key = key_of(*place)
    assert id_of(key) == conversation_of(*place)
    assert key in keys_with_id(id_of(key))
    assert group_in(key) == (receiver if kind == "group" else "")
    if kind == "user":
        assert (other_in(key, sender), other_in(key, receiver)) == (receiver, sender)
        assert key_of(receiver, sender, kind) == key


def test_id_that_may_belong_to_several_conversations_has_the_key_of_each():
    assert keys_with_id("group_a_user_t") == ["u/group_a/t", "g/a_user_t"]
    assert keys_with_id("a_user_b_user_c") == ["u/a/b_user_c", "u/a_user_b/c"]
    assert keys_with_id("b_user_a") == []  # the smaller uid comes first
    assert keys_with_id("nonsense") == keys_with_id("group_") == keys_with_id("_user_b") == keys_with_id("") == []
    assert keys_with_id("a" * 1000 + "_user_b" * 1000) == []
    assert other_in(key_of("a", "b", "user"), "c") == ""
