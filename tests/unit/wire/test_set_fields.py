"""The `repr` of entities."""

from __future__ import annotations

import dataclasses

import pytest

from tailwire.wire import entities
from tailwire.wire.entities import Attachment, Group, GroupMember, MediaMessage, TextMessage, User
from tailwire.wire.set_fields import SetFieldsRepr

ENTITIES = [kind for kind in vars(entities).values() if dataclasses.is_dataclass(kind)]


def test_repr_shows_the_fields_that_are_set():
    message = TextMessage(receiver="bob", text="hello", id=7, sender=User("alice", "Alice"), raw={"id": "7"})
    assert repr(message) == "TextMessage(receiver='bob', id=7, sender=User(uid='alice', name='Alice'), text='hello')"
    media = MediaMessage(receiver="team", receiver_type="group", attachments=[Attachment("https://x/y.png", size=3)])
    assert repr(media) == (
        "MediaMessage(receiver='team', receiver_type='group', attachments=[Attachment(url='https://x/y.png', size=3)])"
    )
    assert repr(GroupMember("bob", tags=["new"], scope="admin")) == (
        "GroupMember(uid='bob', tags=['new'], scope='admin')"
    )
    assert repr(Group("")) == "Group(guid='')"


def test_repr_shows_a_set_field_that_is_falsy():
    assert repr(User("bob", role="", metadata={})) == "User(uid='bob', role='')"


def test_repr_hides_the_password_of_a_group():
    assert repr(Group("team", password="secret")) == "Group(guid='team')"


@pytest.mark.parametrize("kind", ENTITIES, ids=lambda kind: kind.__name__)
def test_each_entity_has_the_repr_of_set_fields(kind: type):
    assert kind.__repr__ is SetFieldsRepr.__repr__
