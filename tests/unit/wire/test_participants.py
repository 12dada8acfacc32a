"""The participants of a conversation are those of the changed message, also when the app reports the change."""

from __future__ import annotations

from tailwire.wire.entities import Action, TextMessage, User
from tailwire.wire.participants import message_between_participants


def test_change_by_the_app_is_between_the_participants_of_the_changed_message():
    changed = TextMessage(receiver="alice", text="hello", sender=User("bob"))
    by_the_app = Action(receiver="alice", sender=User("app_system"), action="edited", action_on=changed)
    assert message_between_participants(by_the_app) is changed


def test_other_messages_are_between_their_own_sender_and_receiver():
    message = TextMessage(receiver="alice", text="hello", sender=User("bob"))
    joined = Action(receiver="team", sender=User("bob"), action="joined", action_on=User("bob"))
    assert message_between_participants(message) is message
    assert message_between_participants(joined) is joined
