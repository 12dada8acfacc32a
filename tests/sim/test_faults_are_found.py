"""The simulation finds faults: each planted fault is found by the seeds recorded for it, or by a short plan."""

from __future__ import annotations

import contextlib
import json
import types
from collections.abc import Callable
from functools import partial

import pytest

from planting import Planter, require_same_signature
from sim.fault_seeds import name_of, require_found
from sim.faults_in_contents import FAULTS_IN_CONTENTS, known_messages_count_as_missed
from sim.faults_in_notification import FAULTS_IN_NOTIFICATION
from sim.test_unnecessary_disconnects import (
    A_CATCH_UP_OVER_CUTS,
    A_DEAD_FIRST_ADDRESS,
    A_LISTENING_CLIENT,
    A_PING_BEHIND_AN_UPLOAD,
)
from sizes import size
from tailwire.sdk import outbox, own_changes, sending, tokens
from tailwire.sdk.connection import deadlines, sockets, state, wanted
from tailwire.sdk.connection.state import Phase
from tailwire.sdk.continuity import catch_up, chain
from tailwire.sdk.continuity.state import Continuity, ContinuityKind
from tailwire.sdk.dispatch import incoming, missed, queue
from tailwire.sdk.io import addresses, answers, driver, failures, http, link, locks, progress_timeout
from tailwire.sdk.listeners.events import MessagePinned, MessageSaved, ReactionChanged, ReceiptReceived
from tailwire.server.actions import members as actions_members
from tailwire.server.actions import messages as actions_messages
from tailwire.server.fanout import hub
from tailwire.server.gateway import gateway, liveness
from tailwire.server.store.sql import starts as known_starts
from tailwire.server.store.sql.change_log import ChangeLogRows
from tailwire.server.store.sqlite import members, messages, starts, writer
from tailwire.testing.simulation import Plan, Step, make_plan
from tailwire.testing.simulation.shrink import fails
from tailwire.wire.entities import Action

# Killed processes leave coroutines that were never awaited; they may be collected in the next test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
Plant = Callable[[Planter], None]


def _two_sockets_at_once(patch):
    # A socket that was abandoned stays open alongside the next one.
    for command in (driver.c.CloseSocket, driver.c.AbandonSocket):
        patch.setitem(driver.Driver._HANDLERS, command, lambda self, command: None)


def _waits_never_end(patch):
    honest = driver.Driver._arm

    def arm(self):
        if self._state.phase is not Phase.WAITING:
            honest(self)

    patch.setattr(driver.Driver, "_arm", arm)


def _no_heartbeat_deadline(patch):
    # The heartbeat is not watched: a dead line looks open forever.
    honest = driver.Driver._arm

    def arm(self):
        if self._state.phase is not Phase.OPEN:
            honest(self)

    patch.setattr(driver.Driver, "_arm", arm)


def _catch_up_from_now(patch):
    # Catch-up starts from now instead of from the last id.
    def connected(m, store, mark=""):
        m.behind, m.position = [], None
        m.floor = 0
        return [catch_up.FetchLatest()]

    patch.setattr(catch_up, "on_connected", connected)


def _no_catch_up(patch):
    def connected(m, store, mark=""):
        m.behind = None
        return [catch_up.ReportContinuity(Continuity(ContinuityKind.EXACT))]

    patch.setattr(catch_up, "on_connected", connected)


def _duplicates_are_handed_over(patch):
    honest = catch_up.record_live

    def passes(m, message_id):
        return m.behind is None and (honest(m, message_id) or True)

    patch.setattr(catch_up, "record_live", passes)
    patch.setattr(catch_up, "_advance", lambda m, message_id: None)


def _retries_use_a_new_muid(patch):
    honest = sending.Sending._attempt_until_stored

    async def attempts(self, attempt):
        before = attempt.__closure__ and next(
            (c.cell_contents for c in attempt.__closure__ if isinstance(c.cell_contents, dict)), None
        )

        async def again():
            try:
                return await attempt()
            finally:
                if before is not None:
                    before["muid"] = str(before["muid"]) + "x"

        return await honest(self, again)

    patch.setattr(sending.Sending, "_attempt_until_stored", attempts)


def _sends_are_concurrent(patch):
    async def send(self, conversation, attempt, time_limit=None):
        return await attempt()  # without retries

    patch.setattr(sending.Sending, "send", send)
    patch.setattr(outbox, "RETRIED_CODES", frozenset())


def _response_before_commit(patch):
    honest = writer.Writer._transaction

    def transaction(self, operations):
        done = honest(self, operations)
        self._connection.execute("BEGIN")
        self._connection.execute("DELETE FROM messages WHERE id = (SELECT max(id) FROM messages) AND id % 7 = 0")
        self._connection.execute("COMMIT")
        return done

    patch.setattr(writer.Writer, "_transaction", transaction)


def _muid_is_stored_twice(patch):
    honest = messages.Messages.insert

    def insert(self, c, d, act=None):
        stored = honest(self, c, d, act)
        if not stored.new:
            return honest(self, c, d._replace(muid=None), act)
        return stored

    patch.setattr(messages.Messages, "insert", insert)


def _live_messages_overtake_catch_up(patch):
    honest = catch_up.on_connected

    def connected(m, store, mark=""):
        commands = honest(m, store)
        m.behind = None if m.position is not None else m.behind
        return commands

    patch.setattr(catch_up, "on_connected", connected)


def _full_queue_drops(patch):
    honest = queue.EventQueue.put

    def put(self, entry):
        if len(self._entries) < 3:
            honest(self, entry)

    patch.setattr(queue.EventQueue, "put", put)


def _auto_mode_keeps_its_socket_in_the_background(patch):
    honest = wanted.decide

    def decide(state):
        return wanted.Decision.WANTED if honest(state) is wanted.Decision.IN_BACKGROUND else honest(state)

    patch.setattr(wanted, "decide", decide)


def _position_is_saved_too_early(patch):
    # Saved when a message is queued, not when it was handed over.
    honest = queue.EventQueue.put

    def put(self, entry):
        honest(self, entry)
        self._idle()

    patch.setattr(queue.EventQueue, "put", put)
    patch.setattr(queue.EventQueue, "empty", property(lambda self: True))


def _hub_forgets_a_second_device(patch):
    honest = hub.Hub.remove

    def remove(self, socket, linger_until=0.0):
        gone = honest(self, socket, linger_until)
        self._by_subject.pop(hub.user_subject(socket.uid), None)
        return gone

    patch.setattr(hub.Hub, "remove", remove)


def _outbox_is_not_saved(patch):
    patch.setattr(outbox.Outbox, "_write", lambda self: None)


def _own_messages_are_handed_over(patch):
    patch.setattr(own_changes.OwnChanges, "record_stored", lambda self, message, by: None)
    patch.setattr(incoming.Incoming, "_is_own", lambda self, message: False)


def _former_members_stay_subscribed(patch):
    honest = hub.Hub._change_membership

    def change_membership(self, subject, change):
        if change.joined:
            honest(self, subject, change)

    patch.setattr(hub.Hub, "_change_membership", change_membership)


def _new_members_are_not_subscribed(patch):
    honest = hub.Hub._change_membership

    def change_membership(self, subject, change):
        if not change.joined:
            honest(self, subject, change)

    patch.setattr(hub.Hub, "_change_membership", change_membership)


def _new_members_catch_up_on_all_history(patch):
    honest = members.Members.add

    async def add(self, act, scope, now, announce):
        stored = await honest(self, act, scope, now, announce)
        await self._db.run("UPDATE members SET joined_after_id = 0")
        return stored

    patch.setattr(members.Members, "add", add)


def _lost_messages_are_not_detected(patch):
    patch.setattr(chain, "is_broken", lambda m, predecessor_id: False)


def _own_message_hides_a_loss(patch):
    for module in (actions_messages, actions_members):
        patch.setattr(module, "for_sender", lambda caller, json, stored: json)


def _concurrent_token_requests(patch):
    class Open(contextlib.AbstractAsyncContextManager):
        def locked(self):
            return False

        async def __aexit__(self, *error):
            return None

    patch.setattr(tokens, "asyncio", types.SimpleNamespace(Lock=Open))


def _connected_before_authentication(patch):
    async def authenticate(self, wire, uid, last):
        await wire.send(json.dumps(self._auth_frame(uid, last)))
        return link.Link(wire, link.Granted())

    patch.setattr(link.Connector, "_authenticate", authenticate)


def _server_keeps_closed_sockets(patch):
    patch.setattr(gateway.Gateway, "forget", lambda self, socket: None)


def _listening_clients_are_closed(patch):
    # The client sends nothing while it receives, and the server does not probe before it closes.
    patch.setattr(state, "send_interval", lambda state: 1e9)
    patch.setattr(liveness.LivenessCheck, "is_dead", lambda self, socket, now: now - socket.heard_at > self._limit)


def _retry_after_of_proxies_is_unbounded(patch):
    honest = failures.AttemptError.__init__

    def init(self, cause, wait=None, *, ours=False, details="", unexplained=False):
        honest(self, cause, wait, ours=True, details=details, unexplained=unexplained)

    patch.setattr(failures.AttemptError, "__init__", init)
    patch.setattr(answers, "MAX_WAIT_SECONDS", 1e9)


def _slow_lines_count_as_dead(patch):
    patch.setattr(deadlines, "_extended_probe_deadline", lambda s, sent, now, fired: None)
    patch.setattr(sockets, "answer_timeout", lambda state: state.timeout)


def _pages_are_dropped_on_reconnect(patch):
    # Nothing is handed over, and the position stays, until the last page has arrived.
    honest_page, honest_connected = catch_up.on_page, catch_up.on_connected
    gathered, mine = [], []

    def connected(m, store, mark=""):
        gathered.clear()
        mine.clear()
        return honest_connected(m, store, mark)

    def page(m, messages, *, whole, ours=(), end=0, took=0.0, mark="", free=(), gone=(), listed=None, pruned=0):
        gathered.extend(messages)
        mine.extend(ours)
        if whole:
            m.asked_after = gathered[-1][0]
            return [catch_up.next_page(m)]
        everything, own = list(gathered), list(mine)
        return honest_page(
            m, everything, whole=False, ours=own, end=end, took=took, mark=mark, free=free, gone=gone, pruned=pruned
        )

    patch.setattr(catch_up, "on_connected", connected)
    patch.setattr(catch_up, "on_page", page)


def _addresses_are_tried_in_sequence(patch):
    patch.setattr(addresses, "ATTEMPT_DELAY_SECONDS", 1e9)


def _dead_connections_are_reused(patch):
    # The pool outlives a socket that died silently, and a missing first byte of a response has no timeout.
    patch.setattr(http.Http, "use_new_connections", lambda self: None)
    patch.setattr(http, "FIRST_BYTE_SECONDS", 1e9)
    patch.setattr(progress_timeout, "STALLED_SECONDS", 1e9)
    patch.setattr(http, "STALLED_SECONDS", 1e9)
    patch.setattr(http, "OWN_STALLED_SECONDS", 1e9)


def _acknowledged_uploads_count_as_done(patch):
    # The deadline of a heartbeat is not extended while a proxy still holds what it has acknowledged.
    patch.setattr(driver.Driver, "_timer_fired", _timer_fired_without_requests)


def _timer_fired_without_requests(self):
    if self._state.phase is Phase.OPEN:
        self._traffic.check_acknowledged()
    return driver.i.TimerFired(self._received_at, self._sent_at, self._traffic.moved_at or None)


def _restored_backup_is_not_detected(patch):
    # The server accepts any position as its own, and reuses ids after a backup was restored.
    patch.setattr(known_starts.KnownStarts, "known_until", lambda self, trail, message_id, last: message_id)
    patch.setattr(starts.IdFile, "read", lambda self: None)
    patch.setattr(starts, "ID_JUMP", 0)


def _restored_backup_restarts_catch_up(patch):
    patch.setattr(catch_up, "on_unknown_position", lambda m, last_valid_id: [catch_up._start_over(m)])


def _actions_are_dropped(patch, types):
    honest = incoming.Incoming._hand_over

    def _hand_over(self, command):
        kept = tuple(m for m in command.messages if not (isinstance(m, Action) and m.type in types))
        honest(self, command._replace(messages=kept))

    patch.setattr(incoming.Incoming, "_hand_over", _hand_over)


def _missed_edits_and_deletions_are_dropped(patch):
    _actions_are_dropped(patch, ("message",))


def _missed_memberships_are_dropped(patch):
    _actions_are_dropped(patch, ("groupMember",))


def _only_some_missed_changes_are_reported(patch, dropped):
    honest = missed.changes_in

    def changes_in(listed):
        found = honest(listed)
        return found and found._replace(changes=[c for c in found.changes if not isinstance(c[2], dropped)])

    patch.setattr(missed, "changes_in", changes_in)


def _missed_reactions_are_dropped(patch):
    _only_some_missed_changes_are_reported(patch, ReactionChanged)


def _missed_pins_are_dropped(patch):
    _only_some_missed_changes_are_reported(patch, MessagePinned)


def _missed_saves_are_dropped(patch):
    _only_some_missed_changes_are_reported(patch, MessageSaved)


def _missed_receipts_are_dropped(patch):
    _only_some_missed_changes_are_reported(patch, ReceiptReceived)


def _former_members_are_not_notified_of_leaving(patch):
    async def ended_memberships(self, reader, after_id, limit):
        return []

    patch.setattr(ChangeLogRows, "ended_memberships", ended_memberships)


def _sessions_are_not_claimed(patch):
    patch.setattr(locks, "_take", lambda descriptor: None)


def _holes_are_filled_late(patch):
    # The missing message arrives, but long after it was noticed, and holds up whatever follows.
    patch.setattr(chain, "HOLE_TIMEOUT_SECONDS", 10.0)


PLANTED_FAULTS: list[Plant] = [
    _two_sockets_at_once,
    _waits_never_end,
    _no_heartbeat_deadline,
    _catch_up_from_now,
    _no_catch_up,
    _duplicates_are_handed_over,
    _retries_use_a_new_muid,
    _sends_are_concurrent,
    _response_before_commit,
    _muid_is_stored_twice,
    _live_messages_overtake_catch_up,
    _full_queue_drops,
    _auto_mode_keeps_its_socket_in_the_background,
    _hub_forgets_a_second_device,
    _own_messages_are_handed_over,
    _former_members_stay_subscribed,
    _new_members_are_not_subscribed,
    _new_members_catch_up_on_all_history,
    _concurrent_token_requests,
    _connected_before_authentication,
    _server_keeps_closed_sockets,
    _listening_clients_are_closed,
    _slow_lines_count_as_dead,
    _dead_connections_are_reused,
    _restored_backup_is_not_detected,
    _restored_backup_restarts_catch_up,
    _missed_edits_and_deletions_are_dropped,
    _missed_memberships_are_dropped,
    _missed_reactions_are_dropped,
    _missed_pins_are_dropped,
    _missed_saves_are_dropped,
    _missed_receipts_are_dropped,
    _former_members_are_not_notified_of_leaving,
    _sessions_are_not_claimed,
    _holes_are_filled_late,
    *FAULTS_IN_NOTIFICATION,
    *FAULTS_IN_CONTENTS,
]
"""Found by early seeds, which `fault_seeds.json` names."""

FINDING_RULES: dict[Plant, str] = {
    _listening_clients_are_closed: "cut",
    _slow_lines_count_as_dead: "cut",
    _dead_connections_are_reused: "outbox",  # a queued message waits on a dead connection without end
}
"""The rule that finds a fault, where it is known; for the other faults, any rule counts."""


OTHER_FAULTS = [
    _position_is_saved_too_early,
    _outbox_is_not_saved,
    _lost_messages_are_not_detected,
    _own_message_hides_a_loss,
    _acknowledged_uploads_count_as_done,
    _addresses_are_tried_in_sequence,
    _pages_are_dropped_on_reconnect,
    _retry_after_of_proxies_is_unbounded,
]
"""Found by short plans."""


A_HOLE_AFTER_MANY_MESSAGES = Plan(3, (
    Step(1.0, "alice-desk", "burst", 25), Step(9.0, "server", "lose", 1),
    *(Step(3.0, "alice-desk", "say group") for _ in range(6)),
))  # fmt: skip
"""Bob's device has received more messages than its limit before one is missing."""


@pytest.mark.parametrize("plant", [*PLANTED_FAULTS, *OTHER_FAULTS], ids=name_of)
def test_planted_faults_keep_the_signatures_of_the_functions_that_they_replace(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
):
    plant(Planter(monkeypatch))


def test_planted_fault_with_another_signature_is_refused():
    def connected(m, store):
        return []

    with pytest.raises(AssertionError, match="is replaced by"):
        require_same_signature(catch_up.on_connected, connected)


def _finds(seed: int, rule: str = "") -> bool:
    return fails(make_plan(seed), rule) is not None


def _finding(plant: Plant) -> Callable[[int], bool]:
    return partial(_finds, rule=FINDING_RULES.get(plant, ""))


def searches() -> list[tuple[Plant, Callable[[int], bool]]]:
    """Return each fault with the function that says whether a seed finds it."""
    return [(plant, _finding(plant)) for plant in PLANTED_FAULTS]


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(300)
@pytest.mark.parametrize("plant", size(PLANTED_FAULTS[::6], PLANTED_FAULTS), ids=name_of)
def test_planted_faults_are_found(plant: Plant, monkeypatch: pytest.MonkeyPatch):
    plant(Planter(monkeypatch))
    require_found(name_of(plant), _finding(plant))


A_KILL_BEFORE_THE_HAND_OVER = Plan(1, (
    Step(1.0, "bob-phone", "block", 10.0), *(Step(1.0, "alice-desk", "say", "bob") for _ in range(3)),
    Step(4.0, "bob-phone", "kill"), Step(1.0, "bob-phone", "start"),
))  # fmt: skip
A_KILL_WITH_A_QUEUED_MESSAGE = Plan(1, (
    Step(1.0, "alice-phone", "offline"), Step(1.0, "alice-phone", "queue", "bob"), Step(1.0, "alice-phone", "kill"),
    Step(1.0, "alice-phone", "back"), Step(1.0, "alice-phone", "start"),
))  # fmt: skip
A_LOSS_IN_A_BURST = Plan(1, (
    Step(1.0, "server", "lose", 1), Step(1.0, "alice-desk", "burst", 5), Step(1.0, "alice-desk", "say group"),
))  # fmt: skip
A_LOSS_BEFORE_OWN_MESSAGES = Plan(1, (
    Step(1.0, "server", "lose", 1), Step(1.0, "alice-desk", "say group"),
    *(Step(1.0, "bob-phone", "say group") for _ in range(3)),
))  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "plant", "rules"),
    [
        (A_KILL_BEFORE_THE_HAND_OVER, _position_is_saved_too_early, {"lost"}),
        (A_KILL_WITH_A_QUEUED_MESSAGE, _outbox_is_not_saved, {"outbox"}),
        (A_LOSS_IN_A_BURST, _lost_messages_are_not_detected, {"hole", "lost"}),
        (A_LOSS_BEFORE_OWN_MESSAGES, _own_message_hides_a_loss, {"hole", "lost"}),
    ],
    ids=[
        "a kill before the hand-over",
        "a kill with a queued message",
        "a loss in a burst",
        "a loss before own messages",
    ],
)
def test_short_plan_finds_the_fault_that_is_planted_for_it(
    plan: Plan, plant: Plant, rules: set[str], monkeypatch: pytest.MonkeyPatch
):
    assert fails(plan) is None
    plant(Planter(monkeypatch))
    failed = fails(plan)
    assert failed is not None
    assert failed.rule in rules


# `test_unnecessary_disconnects` plays the imported plans without a fault.


@pytest.mark.parametrize(
    ("plan", "plant"),
    [
        (A_DEAD_FIRST_ADDRESS, _addresses_are_tried_in_sequence),
        (A_CATCH_UP_OVER_CUTS, _pages_are_dropped_on_reconnect),
    ],
    ids=["a dead first address", "a catch-up over cuts"],
)
def test_fault_without_a_trace_after_recovery_is_found_by_checks_during_the_run(
    plan: Plan, plant: Plant, monkeypatch: pytest.MonkeyPatch
):
    # After recovery, the fault would leave no trace.
    plant(Planter(monkeypatch))
    failed = fails(plan)
    assert failed is not None
    assert failed.rule == "soon"


def test_gap_among_messages_that_were_received_is_found(monkeypatch: pytest.MonkeyPatch):
    assert fails(A_HOLE_AFTER_MANY_MESSAGES) is None
    known_messages_count_as_missed(Planter(monkeypatch))
    failed = fails(A_HOLE_AFTER_MANY_MESSAGES)
    assert failed is not None
    assert failed.rule == "gap"


def test_fault_that_closes_clients_that_only_listen_is_found(monkeypatch: pytest.MonkeyPatch):
    assert fails(A_LISTENING_CLIENT) is None
    _listening_clients_are_closed(Planter(monkeypatch))
    failed = fails(A_LISTENING_CLIENT)
    assert failed is not None
    assert failed.rule == "cut"


def test_ping_queued_behind_an_acknowledged_upload_is_found(monkeypatch: pytest.MonkeyPatch):
    _acknowledged_uploads_count_as_done(Planter(monkeypatch))
    failed = fails(A_PING_BEHIND_AN_UPLOAD)
    assert failed is not None
    assert failed.rule == "cut"


def test_unbounded_retry_after_of_a_proxy_is_found(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(31, (Step(270.0, "alice-desk", "proxy", ["busy"]), Step(94.0, "alice-desk", "say", "carol")))
    assert fails(plan) is None
    _retry_after_of_proxies_is_unbounded(Planter(monkeypatch))
    failed = fails(plan)
    assert failed is not None
    assert failed.rule == "stuck"
