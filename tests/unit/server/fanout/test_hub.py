"""The hub: receivers, joined writes, order, slow sockets."""

from __future__ import annotations

from typing import get_args

import pytest

from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.fanout.frames import text_frame
from tailwire.server.fanout.hub import ALL_USERS, FRIENDS_ONLY, Hub
from tailwire.server.ports.broker import (
    PRESENCE_SUBJECT,
    FramePublication,
    MembershipChange,
    PresenceAudience,
    Publication,
    TokenRevoked,
    group_subject,
    user_subject,
)
from tailwire.server.telemetry.metrics import Metrics


class Sock:
    def __init__(self, uid, device="", presence=None):
        self.uid, self.device, self.token, self.groups, self.presence = uid, device, "t", set(), presence
        self.written: list[bytes] = []
        self.waiting = 0
        self.slow = self.chained = False
        self.features = frozenset()
        self.closed = None

    def write(self, data):
        self.written.append(data)

    def buffered(self):
        return self.waiting

    def close(self, code, reason):
        self.closed = code


class Turn:
    """A turn of the event loop: scheduled calls run at its end."""

    def __init__(self):
        self.broker, self.metrics, self.scheduled = MemoryBroker(), Metrics(), []
        self.hub = Hub(self.broker, self.metrics, self.scheduled.append, slow_close=1000)

    def end(self):
        scheduled, self.scheduled[:] = list(self.scheduled), []
        for call in scheduled:
            call()


def test_frames_published_in_one_turn_of_the_event_loop_are_written_to_a_socket_at_once():
    t = Turn()
    socks = [Sock("a", str(n)) for n in range(3)]
    for s in socks:
        t.hub.add(s)
        t.hub.join_groups(s, ["g"])
    frames = [b"1", b"2", b"3"]
    for f in frames:
        t.broker.publish(group_subject("g"), FramePublication(f))
    assert len(t.scheduled) == 1
    t.end()
    assert [s.written for s in socks] == [[b"".join(map(text_frame, frames))]] * 3
    assert t.metrics.deliveries == 9


def test_frames_of_different_subjects_are_written_in_the_order_of_their_publication():
    t = Turn()
    s = Sock("a")
    t.hub.add(s)
    t.hub.join_groups(s, ["g"])
    for subject, f in ((user_subject("a"), b"1"), (group_subject("g"), b"2"), (user_subject("a"), b"3")):
        t.broker.publish(subject, FramePublication(f))
    t.end()
    assert b"".join(s.written) == b"".join(map(text_frame, [b"1", b"2", b"3"]))


def test_device_that_caused_a_frame_does_not_receive_it():
    t = Turn()
    phone, laptop = Sock("a", "phone"), Sock("a", "laptop")
    t.hub.add(phone)
    t.hub.add(laptop)
    t.broker.publish(user_subject("a"), FramePublication(b"1", "phone"))
    t.broker.publish(user_subject("a"), FramePublication(b"2", "laptop"))
    t.end()
    assert (phone.written, laptop.written) == ([text_frame(b"2")], [text_frame(b"1")])


@pytest.mark.parametrize("others", [[], [FramePublication(b"2")]])
def test_device_of_another_user_with_the_same_name_receives_the_frame(others):
    t = Turn()
    alice, bob = Sock("a", "phone"), Sock("b", "phone")
    for socket in (alice, bob):
        t.hub.add(socket)
        t.hub.join_groups(socket, ["g"])
    for publication in (FramePublication(b"1", "phone", caused_by="a"), *others):
        t.broker.publish(group_subject("g"), publication)
    t.end()
    rest = [text_frame(p.payload) for p in others]
    assert (b"".join(alice.written), b"".join(bob.written)) == (b"".join(rest), b"".join([text_frame(b"1"), *rest]))


def test_user_receives_only_those_frames_of_a_group_published_between_joining_and_leaving():
    t = Turn()
    s = Sock("a")
    t.hub.add(s)
    t.broker.publish(group_subject("g"), FramePublication(b"before"))
    t.broker.publish(user_subject("a"), MembershipChange("g", joined=True))
    t.broker.publish(group_subject("g"), FramePublication(b"during"))
    t.broker.publish(user_subject("a"), MembershipChange("g", joined=False))
    t.broker.publish(group_subject("g"), FramePublication(b"after"))
    t.end()
    assert b"".join(s.written) == text_frame(b"during")


def test_group_that_a_user_left_while_their_groups_were_read_is_not_joined():
    t = Turn()
    s = Sock("a")
    t.hub.add(s)
    # The list of groups was read before the user left "g", joined "h", and left and joined "i" again.
    t.broker.publish(user_subject("a"), MembershipChange("g", joined=False))
    t.broker.publish(user_subject("a"), MembershipChange("h", joined=True))
    t.broker.publish(user_subject("a"), MembershipChange("i", joined=False))
    t.broker.publish(user_subject("a"), MembershipChange("i", joined=True))
    t.hub.join_groups(s, ["g", "i"])
    for guid in "ghi":
        t.broker.publish(group_subject(guid), FramePublication(guid.encode()))
    t.end()
    assert b"".join(s.written) == text_frame(b"h") + text_frame(b"i")


def test_closed_socket_leaves_no_subscription():
    t = Turn()
    s = Sock("a", presence=ALL_USERS)
    t.hub.add(s)
    t.hub.join_groups(s, ["g", "h"])
    t.broker.publish(user_subject("a"), MembershipChange("i", joined=True))
    t.hub.remove(s)
    for subject in (user_subject("a"), PRESENCE_SUBJECT, *map(group_subject, "ghi")):
        t.broker.publish(subject, FramePublication(b"1"))
    t.end()
    assert s.written == []
    assert t.broker._subjects == set()


def test_slow_socket_misses_droppable_frames_and_is_closed_beyond_slow_close():
    t = Turn()
    s, other = Sock("a"), Sock("a")
    t.hub.add(s)
    t.hub.add(other)
    s.waiting, s.slow = 500, True
    t.broker.publish(user_subject("a"), FramePublication(b"typing", droppable=True))
    t.broker.publish(user_subject("a"), FramePublication(b"message"))
    t.end()
    assert s.written == [text_frame(b"message")]
    assert other.written == [text_frame(b"typing") + text_frame(b"message")]
    s.waiting = 5000
    t.broker.publish(user_subject("a"), FramePublication(b"more"))
    t.end()
    assert s.closed == 1013
    assert (t.metrics.frames_dropped, t.metrics.closes["slow"]) == (1, 1)


def test_presence_reaches_only_its_subscribers():
    t = Turn()
    everyone, admins, nobody = Sock("a", presence=ALL_USERS), Sock("b", presence=frozenset({"admin"})), Sock("c")
    for s in (everyone, admins, nobody):
        t.hub.add(s)
    t.broker.publish(PRESENCE_SUBJECT, FramePublication(b"1", droppable=True, audience=PresenceAudience("default")))
    t.broker.publish(PRESENCE_SUBJECT, FramePublication(b"2", droppable=True, audience=PresenceAudience("admin")))
    t.end()
    assert everyone.written == [text_frame(b"1") + text_frame(b"2")]
    assert admins.written == [text_frame(b"2")]
    assert nobody.written == []


def test_presence_reaches_friends_who_subscribed_to_friends_unless_it_is_hidden_from_them():
    t = Turn()
    friend, other = Sock("a", presence=FRIENDS_ONLY), Sock("b", presence=FRIENDS_ONLY)
    blocked = Sock("c", presence=FRIENDS_ONLY)
    for s in (friend, other, blocked):
        t.hub.add(s)
    audience = PresenceAudience("default", friends=frozenset({"a", "c"}), hidden_from=frozenset({"c"}))
    t.broker.publish(PRESENCE_SUBJECT, FramePublication(b"online", droppable=True, audience=audience))
    t.end()
    assert friend.written == [text_frame(b"online")]
    assert (other.written, blocked.written) == ([], [])


def test_socket_of_a_group_belongs_to_it_until_it_is_removed():
    t = Turn()
    s = Sock("a")
    t.hub.add(s)
    t.hub.join_groups(s, ["g"])
    assert s.groups == {"g"}
    assert t.hub.in_group("a", "g")
    t.hub.remove(s)
    t.broker.publish(group_subject("g"), FramePublication(b"later"))
    t.end()
    assert s.written == []
    assert not t.hub.in_group("a", "g")


def test_members_of_a_removed_group_leave_it_and_are_reported_once_each():
    t, left = Turn(), []
    t.hub.on_left = lambda uid, guid: left.append((uid, guid))
    sockets = [Sock("a"), Sock("a"), Sock("b")]
    for s in sockets:
        t.hub.add(s)
        t.hub.join_groups(s, ["g", "other"])
    t.hub.leave_group("g")
    assert left == [("a", "g"), ("b", "g")]
    assert [s.groups for s in sockets] == [{"other"}] * 3
    t.broker.publish(group_subject("g"), FramePublication(b"later"))
    t.end()
    assert [s.written for s in sockets] == [[]] * 3


def test_only_the_first_and_the_last_socket_of_a_user_change_whether_they_are_online():
    t = Turn()
    one, two = Sock("a"), Sock("a")
    assert t.hub.add(one) is True
    assert t.hub.add(two) is False
    assert t.hub.remove(one) is False
    assert t.hub.is_online("a")
    assert t.hub.remove(two) is True
    assert not t.hub.is_online("a")
    assert t.hub._by_subject == {}


def test_revoked_token_closes_its_sockets():
    t = Turn()
    mine, other = Sock("a"), Sock("a")
    other.token = "another"
    t.hub.add(mine)
    t.hub.add(other)
    t.broker.publish(user_subject("a"), TokenRevoked("t"))
    assert (mine.closed, other.closed) == (1000, None)


def test_only_sockets_that_asked_for_it_receive_the_id_of_the_preceding_message():
    t = Turn()
    plain, chained = Sock("a", "1"), Sock("a", "2")
    chained.chained = True
    for s in (plain, chained):
        t.hub.add(s)
    t.broker.publish(user_subject("a"), FramePublication(b'{"n":1}', predecessor_id=7))
    t.broker.publish(user_subject("a"), FramePublication(b'{"n":2}'))
    t.end()
    assert plain.written == [text_frame(b'{"n":1}') + text_frame(b'{"n":2}')]
    assert chained.written == [text_frame(b'{"n":1,"before":7}') + text_frame(b'{"n":2}')]
    chained.slow = True
    t.broker.publish(user_subject("a"), FramePublication(b'{"n":3}', predecessor_id=8))
    t.end()
    assert chained.written[1:] == [text_frame(b'{"n":3,"before":8}')]
    t.broker.publish(user_subject("a"), FramePublication(b'{"n":4}', predecessor_id=9, membership_end=5))
    t.end()
    assert chained.written[2:] == [text_frame(b'{"n":4,"before":9,"ended":5}')]
    assert plain.written[2:] == [text_frame(b'{"n":4}')]


def test_user_stays_online_within_the_grace_period():
    t = Turn()
    first, second = Sock("a"), Sock("a")
    assert t.hub.add(first)
    assert not t.hub.remove(first, linger_until=10.0)
    assert (t.hub.is_online("a"), t.hub.users_online, t.hub.online_users(), t.hub.has_lingering) == (
        True,
        1,
        ["a"],
        True,
    )
    assert t.hub.expire_lingering(9.9, at_most=2) == []
    assert not t.hub.add(second)  # the user never was offline
    assert t.hub.expire_lingering(10.0, at_most=2) == []
    assert not t.hub.remove(second, linger_until=20.0)
    assert t.hub.expire_lingering(20.0, at_most=2) == ["a"]
    assert (t.hub.is_online("a"), t.hub.users_online, t.hub.has_lingering) == (False, 0, False)
    assert t.hub.add(first)
    assert t.hub.remove(first)


def test_users_whose_grace_periods_have_passed_go_offline_a_few_at_a_time():
    t = Turn()
    for number, uid in enumerate(("a", "b", "c", "d")):
        socket = Sock(uid)
        t.hub.add(socket)
        t.hub.remove(socket, linger_until=10.0 + number)
    assert [t.hub.expire_lingering(12.0, at_most=2) for _ in range(3)] == [["a", "b"], ["c"], []]
    assert t.hub.online_users() == ["d"]


def test_presence_frame_that_requires_a_feature_reaches_only_sockets_with_that_feature():
    t = Turn()
    plain, ours = Sock("a", presence=ALL_USERS), Sock("b", presence=ALL_USERS)
    ours.features = frozenset({"appState"})
    for s in (plain, ours):
        t.hub.add(s)
    t.broker.publish(
        PRESENCE_SUBJECT, FramePublication(b"away", audience=PresenceAudience("default", feature="appState"))
    )
    t.end()
    assert (plain.written, ours.written) == ([], [text_frame(b"away")])


def test_frame_for_a_feature_reaches_only_sockets_with_it_and_other_frames_reach_all_in_order():
    t = Turn()
    plain, ours, slow = Sock("a"), Sock("b"), Sock("c")
    ours.features = slow.features = frozenset({"lists"})
    slow.slow = True
    for s in (plain, ours, slow):
        t.hub.add(s)
        t.hub.join_groups(s, ["g"])
    for frame, feature in ((b"1", ""), (b"2", "lists"), (b"3", "")):
        t.broker.publish(group_subject("g"), FramePublication(frame, feature=feature))
    t.end()
    whole, some = (b"".join(map(text_frame, frames)) for frames in ((b"1", b"2", b"3"), (b"1", b"3")))
    assert (plain.written, ours.written, slow.written) == ([some], [whole], [whole])
    t.broker.publish(group_subject("g"), FramePublication(b"4"))
    t.end()
    assert [s.written[1:] for s in (plain, ours, slow)] == [[text_frame(b"4")]] * 3


def test_every_type_of_publication_has_a_handler():
    assert set(Turn().hub._handlers) == set(get_args(Publication))
