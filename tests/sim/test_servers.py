"""Several servers on virtual time keep the promises on every seed, and planted faults between them are found."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from planting import Planter
from sim.fault_seeds import name_of, recorded_seeds, require_found
from sizes import size
from tailwire.sdk.continuity import changes as sdk_changes
from tailwire.server.actions.notifying import Notifier
from tailwire.server.app.pushing import Push
from tailwire.server.app.several import ServerCooperation
from tailwire.server.fanout import change_healing, log, numbers, order
from tailwire.server.fanout.presence import SharedPresence
from tailwire.server.ports.log import LoggedChange
from tailwire.server.ports.push_records import NotificationProgress
from tailwire.server.ports.world import World
from tailwire.server.push.lane import PushLane
from tailwire.server.store.postgres import failures
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.leases import Leases
from tailwire.server.store.postgres.processes import Processes
from tailwire.server.webhooks.sender import WebhookSender
from tailwire.testing.simulation import servers
from tailwire.testing.simulation.__main__ import run_servers
from tailwire.testing.simulation.servers_broker import SimulatedRemote
from tailwire.testing.simulation.servers_database import SimulatedDatabase
from tailwire.testing.simulation.servers_store import SharedStore

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SEEDS = int(os.environ.get("SEEDS", size(20, 200)))


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(SEEDS))
def test_several_servers_keep_the_promises(seed):
    servers.play(seed)


@pytest.mark.parametrize("seed", recorded_seeds()["new_sockets_join_groups_at_once"])
def test_user_who_connects_to_a_server_that_is_behind_receives_their_groups_and_no_former_ones(seed):
    servers.play(seed)


REPEATED = size((0, 17, 20, 21), (0, 17, 20, 21, 25, 29, 34, 35, 38))
"""Seeds that gave other runs in other processes, when the sockets of a server were in a set, and one that did not."""


@pytest.mark.thorough
def test_equal_seeds_with_several_servers_give_equal_runs_in_every_process():
    code = f"from tailwire.testing.simulation.servers import play; print(*(play(seed) for seed in {REPEATED}))"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": salt}, stdout=subprocess.PIPE, text=True
        )
        for salt in size(("1", "2"), ("1", "2", "3"))
    ]
    outputs = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0] * len(children)
    assert outputs == [outputs[0]] * len(children)
    assert len(set(outputs[0].split())) == len(REPEATED)


def test_server_whose_shutdown_never_ends_is_named(monkeypatch):
    async def close(self):
        await asyncio.get_running_loop().create_future()

    Planter(monkeypatch).setattr(Notifier, "close", close)
    with pytest.raises(servers.BrokenPromise, match=r"the shutdown of the servers \[\d+\] has not ended"):
        servers.play(0)


def test_run_of_several_seeds_names_each_one_that_fails(monkeypatch):
    assert run_servers(2, [0, 1]) == [(0, None, "", ""), (1, None, "", "")]
    _late_changes_are_delivered_again(monkeypatch)
    found = run_servers(3, list(range(4)))
    assert [seed for seed, *_ in found] == [0, 1, 2, 3]
    assert {rule for _, _, rule, _ in found} == {"BrokenPromise"}
    assert all("twice" in problem for *_, problem in found)


def _no_order(patch):
    # Messages of other servers are delivered as they come.
    honest = log.MessageLog.received

    def received(self, subject, publication):
        self._local.deliver(subject, publication)
        honest(self, subject, publication)

    patch.setattr(log.MessageLog, "received", received)


def _records_before_their_messages(patch):
    def record(self, record, publications):
        if self.connected and self.carries_messages:
            self._bus.pass_on(self._server, lambda remote: remote.receiver.recorded(record), "", may_be_lost=False)
            for subject, publication in publications:
                self.publish(subject, publication)

    patch.setattr(SimulatedRemote, "record", record)


def _subscriptions_that_count_at_once(patch):
    async def confirmed(remote):
        return True

    patch.setattr(log, "_is_confirmed", confirmed)


def _doubts_are_forgotten(patch):
    patch.setattr(order.Order, "doubt", lambda self, first, last=order._UNTIL_BELIEVED: None)


def _lost_changes_are_not_read(patch):
    patch.setattr(change_healing.ChangeHealing, "record_look", lambda self, look, began, last_passed, *, held: None)


def _late_changes_are_delivered_again(patch):
    patch.setattr(numbers.ChangeNumbers, "record_received", lambda self, number, subject: True)


def _changes_count_as_delivered_before_they_are_read(patch):
    honest = change_healing.ChangeHealing.record_look

    def looked(self, look, began, last_passed, *, held):
        honest(self, look, began, last_passed, held=held)
        self.settled = look.newest_change

    patch.setattr(change_healing.ChangeHealing, "record_look", looked)


def _late_members_do_not_receive_what_came_before_them(patch):
    patch.setattr(numbers.ChangeNumbers, "join", lambda self, subject, uid, held: None)


def _who_comes_back_counts_as_new(patch):
    patch.setattr(numbers.ChangeNumbers, "leave", lambda self, subject, uid, held, now: None)


def _who_has_left_lacks_what_was_lost_before(patch):
    patch.setattr(numbers.ChangeNumbers, "left_without", lambda self, number, subject: [])


def _new_sockets_join_groups_at_once(patch):
    honest = servers.SimulatedServer.start

    async def start(self):
        await honest(self)

        async def passed(number):
            return None

        self.log.passed = passed

    patch.setattr(servers.SimulatedServer, "start", start)


def _positions_move_over_what_is_missing(patch):
    def record(m, number):
        if m.position is not None and m.position.changes is not None:
            m.position = m.position._replace(changes=max(number, m.position.changes), heard=())

    patch.setattr(sdk_changes, "record", record)


def _gaps_are_not_read(patch):
    patch.setattr(log.MessageLog, "_read_old_gap", lambda self: None)
    patch.setattr(log.MessageLog, "_on_look", lambda self, look, began: None)


def _memberships_are_those_of_the_time_of_reading(patch):
    def logged(self, change):
        uid = change.key.partition("/")[2]
        return LoggedChange(change, self.joined.get(uid, change.id) < change.id)

    patch.setattr(SharedStore, "_logged", logged)


def _batches_of_dead_processes_are_carried_out(patch):
    patch.setattr(SimulatedDatabase, "_refuse_the_dead", lambda self, process: None)


def _stopped_servers_keep_their_identity(patch):
    async def take_new_identity(self):
        return False

    patch.setattr(Lane, "_take_new_identity", take_new_identity)


def _lost_answers_make_new_batches(patch):
    honest = Lane._head

    def head(self):
        self._number += 1
        return honest(self)

    patch.setattr(Lane, "_head", head)


def _dead_servers_are_not_taken_over(patch):
    async def take_over(self, dead, report):
        return None

    patch.setattr(Processes, "_take_over", take_over)


def _leases_have_no_end(patch):
    patch.setattr(Leases, "holds", lambda self, name: name in self._held)


def _leases_last_from_the_answer_to_their_renewal(patch):
    honest = Leases._take

    async def take(self, names):
        self._lane.renewed_at = asyncio.get_running_loop().time()
        await honest(self, names)

    patch.setattr(Leases, "_take", take)


def _leases_of_webhooks_are_looked_at_only_at_the_beginning(patch):
    patch.setattr(WebhookSender, "_sends", lambda self, webhook_id: True)


def _every_server_sends_to_webhooks(patch):
    honest = ServerCooperation.start

    async def start(self):
        await honest(self)
        self._webhooks.sends_for = lambda webhook_id: True

    patch.setattr(ServerCooperation, "start", start)


def _deliveries_that_others_queue_are_not_sent(patch):
    patch.setattr(ServerCooperation, "_on_queued_elsewhere", lambda self, webhook_ids: None)

    async def renewed(self):
        await self._take_leases()
        await self._presence.look(self._store.processes.alive)

    patch.setattr(ServerCooperation, "_on_renewed", renewed)


def _every_server_sends_notifications(patch):
    patch.setattr(Push, "is_mine", lambda self, name: True)


def _messages_that_others_store_cause_no_notifications(patch):
    honest = Notifier.start

    async def start(self):
        self._polls = False
        await honest(self)

    patch.setattr(Notifier, "start", start)


def _messages_count_as_examined_before_they_are(patch):
    honest = Notifier._examine_message

    async def message(self, row, progress):
        await self._store.notifications.store_progress(NotificationProgress(row.id, "", progress.reaction_id))
        await honest(self, row, progress)

    patch.setattr(Notifier, "_examine_message", message)


def _leases_of_notifications_are_looked_at_only_at_the_beginning(patch):
    honest = PushLane._send_due

    async def send_due(self):
        self._work._is_mine = lambda: True
        return await honest(self)

    patch.setattr(PushLane, "_send_due", send_due)


def _users_of_dead_servers_stay_online(patch):
    patch.setattr(SharedPresence, "_drop", lambda self, process: None)


def _servers_that_were_stopped_do_not_report_their_users_again(patch):
    patch.setattr(SharedPresence, "_report_again", lambda self: None)


def _missed_news_of_who_is_online_are_not_read(patch):
    async def look(self, alive):
        return None

    patch.setattr(SharedPresence, "look", look)


def _deadlocks_are_faults_of_what_is_written(patch):
    patch.setattr(failures, "_BUSY_STATES", frozenset())


def _times_follow_the_clock_of_the_machine(patch):
    def follow(self, milliseconds):
        self.ahead = self.machine_milliseconds() - milliseconds

    def now(self):
        return self.machine_milliseconds() - getattr(self, "ahead", 0)

    patch.setattr(World, "follow", follow)
    patch.setattr(World, "milliseconds", now)


FAULTS = [value for name, value in list(globals().items()) if name.startswith("_") and callable(value)]


def _finds(seed):
    try:
        servers.play(seed)
    except Exception:  # however it is found
        return True
    return False


def searches():
    """Return each fault with the function that says whether a seed finds it."""
    return [(plant, _finds) for plant in FAULTS]


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("plant", size(FAULTS[::3], FAULTS), ids=name_of)
def test_planted_faults_between_servers_are_found(plant, monkeypatch):
    plant(Planter(monkeypatch))
    require_found(name_of(plant), _finds)
