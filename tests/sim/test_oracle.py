"""What the oracle requires besides the contents: deadlines, gaps that are due, a bounded number of repetitions."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from planting import Planter
from sizes import size
from tailwire.sdk.connection import machine, sockets
from tailwire.sdk.connection.inputs import NetworkChanged
from tailwire.sdk.connection.state import Network, Phase, SessionState, State
from tailwire.sdk.continuity import catch_up, chain, gaps
from tailwire.sdk.continuity.commands import ReportContinuity, ReportGap
from tailwire.sdk.continuity.state import Continuity, ContinuityKind
from tailwire.server.actions import groups as actions_groups
from tailwire.server.actions import messages as actions_messages
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.actions.delivery import Delivery
from tailwire.server.ports.change_log import ChangeKind
from tailwire.server.rest import api
from tailwire.server.store.sqlite import messages as sqlite_messages
from tailwire.testing.simulation import Plan, Step, deadlines, simulate
from tailwire.testing.simulation.holes import Holes
from tailwire.testing.simulation.shrink import fails

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

A_DEAD_LINE = Plan(5, (Step(5.0, "alice-phone", "half open"), Step(60.0, "bob-phone", "say", "carol")))


UNSEEN = [
    (("bob-phone", "say", "alice"), ("alice-phone", "pin chat", "bob"), ("alice-phone", "delete chat", "bob"),
     ("alice-phone", "unpin chat", "bob")),
    (("bob-phone", "say group", None), ("alice-phone", "save", None), ("alice-phone", "transfer", "bob"),
     ("alice-phone", "leave", None), ("alice-phone", "unsave", None)),
]  # fmt: skip
"""Steps in which alice unpins and unsaves what is no longer visible to this user."""


def rule_of(plan: Plan) -> str:
    failed = fails(plan)
    return failed.rule if failed is not None else ""


@pytest.mark.parametrize("steps", UNSEEN)
def test_other_device_need_not_learn_that_something_unseen_was_unpinned_or_unsaved(steps):
    simulate(Plan(5, tuple(Step(5.0, *step) for step in (*steps, ("bob-phone", "say", "carol")))))


def test_dead_connection_that_is_detected_late_is_found(monkeypatch: pytest.MonkeyPatch):
    simulate(A_DEAD_LINE)
    Planter(monkeypatch).setattr(sockets, "answer_timeout", lambda state: 25.0)
    assert rule_of(A_DEAD_LINE) == "late"


@pytest.mark.thorough
def test_network_hint_that_does_not_end_the_wait_before_a_reconnect_is_found(monkeypatch: pytest.MonkeyPatch):
    # Half of the seeds end with hints; the others wait for the attempts.
    plans = [
        Plan(seed, (Step(1.0, "network", "refuse"), Step(0.1, "network", "drop"), Step(900.0, "bob-phone", "type")))
        for seed in range(size(4, 8))
    ]
    assert [rule_of(plan) for plan in plans] == [""] * len(plans)
    honest = machine.step

    def deaf(before, happened, now, chance):
        if isinstance(happened, NetworkChanged):
            return before, []
        return honest(before, happened, now, chance)

    monkeypatch.setattr("tailwire.sdk.io.driver.step", deaf)
    monkeypatch.setattr("tailwire.sdk.client.ChatClient.connect", lambda self: _nothing())
    assert any(rule_of(plan) == "return" for plan in plans)


async def _nothing() -> None:
    return None


@pytest.mark.parametrize(
    ("pending", "ended", "excused"),
    [(1, -math.inf, True), (0, 995.0, True), (0, 985.0, False), (0, -math.inf, False)],
    ids=["is being asked", "was asked just now", "was asked long ago", "was not asked"],
)
def test_disconnected_device_is_excused_only_if_its_backend_is_or_was_just_asked_for_a_token(
    pending: int, ended: float, excused: bool, monkeypatch: pytest.MonkeyPatch
):
    state = State(has_provider=True, session=SessionState.VALID, phase=Phase.WAITING)
    monkeypatch.setattr(deadlines, "state_of", lambda device: state)
    monkeypatch.setattr(deadlines, "virtual_loop", lambda: SimpleNamespace(time=lambda: 1000.0))
    device = SimpleNamespace(
        name="bob-phone", life=2, blocks=0.0, token_requested_until=ended, token_requests={2: pending}
    )
    assert (deadlines.why_not_back(device) == "") is excused  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phase", "network", "trying"),
    [
        (Phase.CONNECTING, Network.ONLINE, True),
        (Phase.CONNECTING, Network.OFFLINE, False),
        (Phase.RENEWING, Network.ONLINE, True),
        (Phase.RENEWING, Network.OFFLINE, True),
        (Phase.WAITING, Network.ONLINE, False),
    ],
)
def test_connection_attempt_in_progress_may_last_unless_a_network_hint_replaces_it(
    phase: Phase, network: Network, trying: bool, monkeypatch: pytest.MonkeyPatch
):
    # A hint replaces an attempt after the platform had reported no network, but never a renewal of the token (C20, C22).
    state = State(has_provider=True, session=SessionState.VALID, phase=phase, network=network)
    monkeypatch.setattr(deadlines, "state_of", lambda device: state)
    assert deadlines.is_trying(SimpleNamespace()) is trying  # type: ignore[arg-type]


A_HOLE = Plan(1, (
    Step(1.0, "server", "lose", 1), *(Step(1.0, "alice-phone", "say group") for _ in range(6)),
    Step(60.0, "bob-phone", "type"),
))  # fmt: skip


def test_lost_message_that_is_fetched_late_is_found(monkeypatch: pytest.MonkeyPatch):
    honest, made = Holes.__init__, []

    def init(self, sim):
        honest(self, sim)
        made.append(self)

    Planter(monkeypatch).setattr(Holes, "__init__", init)
    simulate(A_HOLE)
    assert [holes.checked for holes in made] == [3]  # of bob, carol, and alice's other device
    Planter(monkeypatch).setattr(chain, "HOLE_TIMEOUT_SECONDS", 10.0)
    assert rule_of(A_HOLE) == "hole"


def test_lost_message_that_is_not_fetched_is_found(monkeypatch: pytest.MonkeyPatch):
    Planter(monkeypatch).setattr(chain, "on_wait_over", lambda m: [])
    assert rule_of(A_HOLE) == "hole"


def test_lost_message_is_found_at_the_end_of_the_run_even_if_no_deadline_was_set(monkeypatch: pytest.MonkeyPatch):
    simulate(A_HOLE)
    plant = Planter(monkeypatch)
    plant.setattr(Holes, "on_delivered", lambda self, number, resources: None)
    plant.setattr(chain, "is_broken", lambda m, predecessor_id: False)
    assert rule_of(A_HOLE) == "lost"


def test_gap_reported_in_place_of_a_lost_message_is_found_as_not_due_and_not_as_late(monkeypatch: pytest.MonkeyPatch):
    # The app is notified of the missing message: that is in time, though no gap was due.
    honest = chain.on_wait_over

    def waited(m):
        hole = min(m.holes, default=0)
        m.recent[hole] = None  # counts as received
        return [ReportGap(hole - 1, hole), *chain.release_if_mended(m)] if hole else honest(m)

    Planter(monkeypatch).setattr(chain, "on_wait_over", waited)
    assert rule_of(A_HOLE) == "gap"


def test_gap_reported_around_messages_that_were_received_is_found(monkeypatch: pytest.MonkeyPatch):
    # Bob's limit is 20. More messages than that follow the first of two holes.
    plan = Plan(141, (
        Step(3.0, "alice-phone", "burst", 22), Step(0.0, "server", "lose", 2), Step(2.0, "server", "lose", 2),
    ))  # fmt: skip
    simulate(plan)
    honest = chain.on_wait_over

    def waited(m):
        commands = honest(m)
        m.in_full = False
        return commands and [catch_up.next_page(m)]

    Planter(monkeypatch).setattr(chain, "on_wait_over", waited)
    failed = fails(plan)
    assert failed is not None
    assert "gap: bob-phone received a gap (2, 4]" in str(failed)
    assert "around [3], which it also received" in str(failed)


@pytest.mark.parametrize(
    "disturbance",
    [
        Step(0.1, "network", "jitter", 2.0), Step(0.1, "server", "slow work", 2.0), Step(0.1, "server", "busy", 60.0),
        Step(0.1, "bob-phone", "proxy", ["hold", 5.0]),
    ],
    ids=lambda step: step.what,
)  # fmt: skip
def test_lost_message_has_no_deadline_while_the_network_or_server_delays_the_client(disturbance: Step):
    simulate(Plan(1, (*A_HOLE.steps[:2], disturbance, *A_HOLE.steps[2:])))


def _report_a_gap_before_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = catch_up.on_page

    def page(m, messages, *, whole, ours=(), end=0, took=0.0, mark="", free=(), gone=(), listed=None, pruned=0):
        commands = honest(
            m, messages, whole=whole, ours=ours, end=end, took=took, mark=mark, free=free, gone=gone, listed=listed,
            pruned=pruned,
        )  # fmt: skip
        return [*commands, ReportGap(messages[0][0] - 1, messages[0][0])] if messages else commands

    Planter(monkeypatch).setattr(catch_up, "on_page", page)


def test_gap_that_is_not_due_is_found(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(2, (
        Step(1.0, "carol-phone", "offline"), Step(1.0, "alice-phone", "burst", 5), Step(9.0, "carol-phone", "back"),
    ))  # fmt: skip
    simulate(plan)
    _report_a_gap_before_each_page(monkeypatch)
    assert rule_of(plan) == "gap"


MORE_THAN_THE_LIMIT = Plan(2, (
    Step(1.0, "bob-phone", "offline"), Step(1.0, "alice-phone", "burst", 40), Step(9.0, "bob-phone", "back"),
))  # fmt: skip


def test_exact_continuity_reported_in_place_of_a_gap_is_found(monkeypatch: pytest.MonkeyPatch):
    simulate(MORE_THAN_THE_LIMIT)

    def at_end(m):
        m.gap = m.back = None
        return [ReportContinuity(Continuity(ContinuityKind.EXACT, m.caught))]

    Planter(monkeypatch).setattr(gaps, "report_at_end", at_end)
    assert rule_of(MORE_THAN_THE_LIMIT) == "continuity"


def test_unknown_continuity_reported_without_a_reason_is_found(monkeypatch: pytest.MonkeyPatch):
    def at_end(m):
        m.gap = m.back = None
        return [ReportContinuity(Continuity(ContinuityKind.UNKNOWN))]

    Planter(monkeypatch).setattr(gaps, "report_at_end", at_end)
    assert rule_of(MORE_THAN_THE_LIMIT) == "continuity"


A_LIST_THAT_CHANGES_MEANWHILE = Plan(4, (
    Step(1.0, "bob-phone", "say", "alice"), Step(1.0, "alice-desk", "offline"), Step(0.0, "alice-desk", "drop"),
    Step(1.0, "alice-phone", "pin chat", "bob"), Step(1.0, "alice-phone", "read"),
    Step(1.0, "alice-phone", "unread"),
    Step(5.0, "alice-desk", "back"), Step(5.0, "alice-phone", "type"),
))  # fmt: skip


@pytest.mark.parametrize("kind", [ChangeKind.CONVERSATION_PINNED, ChangeKind.LIST_CHANGED])
def test_list_of_conversations_that_is_not_caught_up_is_found(kind: ChangeKind, monkeypatch: pytest.MonkeyPatch):
    simulate(A_LIST_THAT_CHANGES_MEANWHILE)
    honest = ChangeFrames.frames_for

    async def frames_for(self, caller, rows):
        return await honest(self, caller, [row for row in rows if row.kind != kind])

    Planter(monkeypatch).setattr(ChangeFrames, "frames_for", frames_for)
    assert rule_of(A_LIST_THAT_CHANGES_MEANWHILE) == "untold conversation"


def while_the_desk_is_away(*steps: Step) -> Plan:
    return Plan(4, (
        Step(1.0, "bob-phone", "say", "alice"), Step(1.0, "alice-desk", "offline"), Step(0.0, "alice-desk", "drop"),
        *steps, Step(5.0, "alice-desk", "back"), Step(5.0, "alice-phone", "type"),
    ))  # fmt: skip


TAGGED = Step(1.0, "alice-phone", "tag chat", ["bob", "red"])
LIST_STEPS = {
    ChangeKind.LIST_CHANGED: (TAGGED,), ChangeKind.LIST_REMOVED: (TAGGED, Step(1.0, "alice-phone", "delete chat", "bob")),
    ChangeKind.BLOCKS: (Step(1.0, "alice-phone", "block user", "bob"), Step(1.0, "alice-phone", "unblock user", "bob")),
}  # fmt: skip


@pytest.mark.parametrize("kind", LIST_STEPS)
def test_change_of_conversations_or_blocks_that_is_not_caught_up_is_found(
    kind: ChangeKind, monkeypatch: pytest.MonkeyPatch
):
    plan = while_the_desk_is_away(*LIST_STEPS[kind])
    simulate(plan)
    honest = ChangeFrames.frames_for

    async def frames_for(self, caller, rows):
        return await honest(self, caller, [row for row in rows if row.kind != kind])

    Planter(monkeypatch).setattr(ChangeFrames, "frames_for", frames_for)
    assert rule_of(plan) == "untold conversation"


@pytest.mark.parametrize("kind", LIST_STEPS)
def test_change_of_conversations_or_blocks_that_is_not_reported_live_is_found(
    kind: ChangeKind, monkeypatch: pytest.MonkeyPatch
):
    plan = Plan(4, (Step(1.0, "bob-phone", "say", "alice"), *LIST_STEPS[kind], Step(5.0, "alice-phone", "type")))
    simulate(plan)
    Planter(monkeypatch).setattr(
        Delivery, "publish_own_list_change", lambda self, caller, action, number, conversation=None: None
    )
    assert rule_of(plan) == "untold conversation"


A_THREAD = Plan(1, (
    Step(1.0, "alice-phone", "say group"), Step(1.0, "bob-phone", "reply"), Step(1.0, "carol-phone", "reply"),
))  # fmt: skip


def test_reply_that_is_stored_without_its_thread_is_found(monkeypatch: pytest.MonkeyPatch):
    simulate(A_THREAD)
    honest = sqlite_messages.Messages.insert

    def insert(self, c, d, act=None):
        return honest(self, c, d._replace(parent_id=None), act)

    Planter(monkeypatch).setattr(sqlite_messages.Messages, "insert", insert)
    assert rule_of(A_THREAD) == "thread"


def test_wrong_count_of_replies_is_found(monkeypatch: pytest.MonkeyPatch):
    honest = sqlite_messages.Messages.insert

    def insert(self, c, d, act=None):
        stored = honest(self, c, d, act)
        c.execute("UPDATE messages SET reply_count = 1 WHERE reply_count > 1")
        return stored

    Planter(monkeypatch).setattr(sqlite_messages.Messages, "insert", insert)
    assert rule_of(A_THREAD) == "thread"


A_REPEATED_REQUEST = Plan(3, (
    Step(1.0, "bob-phone", "proxy", ["repeat"]), Step(1.0, "alice-phone", "say", "bob"),
    Step(1.0, "bob-phone", "react"), Step(1.0, "bob-phone", "unreact"), Step(1.0, "bob-phone", "repeat"),
    Step(5.0, "bob-phone", "type"),
))  # fmt: skip


def test_repeated_request_that_takes_effect_is_found(monkeypatch: pytest.MonkeyPatch):
    simulate(A_REPEATED_REQUEST)
    Planter(monkeypatch).setattr(api, "number_of", lambda operation, path, caller, header: None)
    assert rule_of(A_REPEATED_REQUEST) == "intent"


def test_message_that_is_not_removed_for_good_is_found(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(4, (Step(1.0, "alice-phone", "say", "bob"), Step(1.0, "backend", "remove")))
    simulate(plan)
    honest = actions_messages.Messages.delete

    async def delete(self, caller, message_id, *, permanent=False):
        return await honest(self, caller, message_id)

    Planter(monkeypatch).setattr(actions_messages.Messages, "delete", delete)
    assert rule_of(plan) == "removed"


def test_former_members_who_receive_messages_of_a_recreated_group_are_found(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(6, (
        Step(1.0, "alice-phone", "say group"), Step(1.0, "backend", "disband"), Step(5.0, "alice-phone", "say group"),
        Step(5.0, "alice-phone", "say group"),
    ))  # fmt: skip
    simulate(plan)

    async def delete(self, caller, guid):
        act = self._authorizer.group_act(caller, guid, "delete")
        _, number = await self._store.removal.remove_group(act, lambda standing: ())
        self._notify_members(caller, act.guid, "groupRemoved", None, number)
        return act.guid

    Planter(monkeypatch).setattr(actions_groups.Groups, "delete", delete)
    assert rule_of(plan) == "private"


def test_message_of_the_backend_reaches_all_devices_of_both_users():
    plan = Plan(8, (Step(1.0, "backend", "say", ["alice", "bob"]), Step(5.0, "bob-phone", "type")))
    assert simulate(plan).received == 3


A_RESTORED_BACKUP = Plan(4, (
    Step(1.0, "server", "copy"), *(Step(1.0, "alice-phone", "say group") for _ in range(4)),
    Step(5.0, "server", "put back", 0.3), Step(60.0, "alice-phone", "type"),
))  # fmt: skip


def test_gap_after_a_restored_backup_that_is_larger_than_what_was_lost_is_found(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(4, (Step(1.0, "alice-phone", "say group"), *A_RESTORED_BACKUP.steps))
    simulate(plan)
    honest = catch_up.on_unknown_position

    def went_back(m, last_valid_id):
        commands = honest(m, last_valid_id)
        if m.back is not None:
            m.back = (max(m.back[0] - 1, 0), m.back[1])
        return commands

    Planter(monkeypatch).setattr(catch_up, "on_unknown_position", went_back)
    assert rule_of(plan) == "gap"


def test_gap_that_is_not_due_is_found_although_the_backend_has_removed_messages(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(2, (
        Step(1.0, "alice-phone", "say", "bob"), Step(1.0, "backend", "remove"), Step(1.0, "carol-phone", "offline"),
        Step(1.0, "alice-phone", "burst", 5), Step(9.0, "carol-phone", "back"),
    ))  # fmt: skip
    simulate(plan)
    _report_a_gap_before_each_page(monkeypatch)
    assert rule_of(plan) == "gap"
