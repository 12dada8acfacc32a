"""Plans of seeds that once failed, shrunk and printed by the simulation: each holds every promise now.

What a seed found in a package has tests of that package as well, so only `make thorough` runs the plans.
"""

from __future__ import annotations

import pytest

from sizes import only_in_full
from tailwire.testing.simulation import Plan, Step, simulate

pytestmark = [
    pytest.mark.thorough,
    only_in_full("the first seeds, and the tests of the packages in which a plan found something"),
    # Killed processes leave coroutines that were never awaited; they may be collected in the next test.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_client_that_is_closed_with_a_backlog_receives_it_after_its_next_start():
    # Found by seed 3475 (rule `lost`): alice-phone never received message 15. A queue that was closed with messages in
    # it was taken for one whose messages had all been handed over.
    simulate(
        Plan.from_json("""{"seed": 3475, "steps": [
[9.0, "alice-phone", "block", 4.0],
[675.0, "carol-phone", "burst", 20],
[47.0, "alice-phone", "close", null]
]}""")
    )


def test_client_that_is_closed_while_a_listener_blocks_receives_no_message_twice():
    # Found by seed 12 (rule `once`): alice-phone received message 3 twice. What had been handed over from the queue was
    # not saved, because the queue was never empty.
    simulate(
        Plan.from_json("""{"seed": 12, "steps": [
[2291.0, "alice-phone", "block", 0.5],
[1068.0, "carol-phone", "queue", "alice"],
[0.32529, "alice-phone", "close", null]
]}""")
    )


def test_late_listener_receives_the_current_status_once():
    # Found by seed 5 (rule I8): alice-phone received `connecting` twice, as the current status and from the queue.
    simulate(
        Plan.from_json("""{"seed": 5, "steps": [
[5.0, "alice-phone", "kill", null]
]}""")
    )


def test_caller_stops_waiting_for_a_queued_message_when_the_client_is_closed():
    # Found by seed 286 (rule I9): callers that waited for a queued message waited forever after `aclose()`.
    simulate(
        Plan.from_json("""{"seed": 286, "steps": [
[1653.0, "network", "nameless", null],
[0.0, "carol-phone", "queue", "bob"],
[10.0, "carol-phone", "close", null]
]}""")
    )


def test_removed_member_is_notified_of_an_earlier_receipt():
    # Found by seed 1814 (rule `untold receipt`): carol-phone was not notified that bob had read a message, because
    # carol was removed from the group just after that.
    for seed in (1814, 0, 1):
        simulate(
            Plan.from_json(f"""{{"seed": {seed}, "steps": [
[0.0, "carol-phone", "say group", null],
[0.04263, "bob-phone", "read group", null],
[0.0, "alice-desk", "kick", "carol"]
]}}""")
        )


def test_provided_token_that_expires_before_the_server_is_reached_is_replaced():
    # Found by seed 2728 (rule `stuck`): alice-phone had to log in again, though its token provider had newer tokens.
    simulate(
        Plan.from_json("""{"seed": 2728, "steps": [
[862.0, "alice-desk", "burst", 37],
[3.0, "bob-phone", "read", null],
[902.0, "alice-phone", "react", null],
[11.0, "server", "stop", 60.0],
[0.0, "carol-phone", "save", null],
[1262.83067, "server", "slow work", 0.3],
[797.72438, "alice-phone", "burst", 26],
[0.0389, "alice-phone", "drop", null],
[1225.0, "alice-phone", "pin", null],
[640.0, "network", "swallow", null],
[3301.0, "server", "stop", 60.0]
]}""")
    )


def test_gap_is_reported_in_place_of_a_message_edited_after_its_receiver_had_left():
    # Found by seed 1967 (rule `gap`): bob-phone rightly received a gap, since bob may not see the edit and the earlier
    # text is gone. The simulation expected the message.
    simulate(
        Plan.from_json("""{"seed": 0, "steps": [
[0.0, "bob-phone", "background", null],
[1.0, "alice-desk", "say group", null],
[1.0, "alice-desk", "kick", "bob"],
[5.0, "alice-desk", "edit", null],
[5.0, "bob-phone", "foreground", null]
]}""")
    )


def test_message_that_is_marked_as_unread_and_read_again_has_a_second_receipt():
    # Found by seed 7482 (rule `once`): the simulation took the second receipt for a duplicate of the first.
    simulate(
        Plan.from_json("""{"seed": 0, "steps": [
[0.0, "bob-phone", "say", "alice"],
[1.0, "alice-desk", "read", null],
[1.0, "alice-desk", "unread", null],
[1.0, "alice-desk", "read", null]
]}""")
    )


def test_network_hint_replaces_no_connection_attempt_unless_the_network_was_reported_as_gone():
    # Found by seed 69 (rule `return`): the bytes of a send made an attempt last longer, and the simulation expected
    # that a hint begins another one at once, though none had reported the network as gone.
    for seed in (7, 9, 11):
        simulate(Plan(seed, (Step(1.0, "network", "swallow"), Step(33.0, "alice-desk", "say", "bob"))))


def test_refused_send_may_be_stored_when_a_proxy_repeats_it_later():
    # Found by seed 5267 (rule `refused`): the simulation expected that a send which a busy server refused is never
    # stored, but a proxy sent the request again when the server was idle.
    simulate(
        Plan.from_json("""{"seed": 0, "steps": [
[0.0, "bob-phone", "proxy", ["repeat"]],
[1.0, "server", "busy", 60.0],
[0.1, "bob-phone", "say", "carol"],
[90.0, "bob-phone", "repeat", null]
]}""")
    )


def test_queued_message_may_be_absent_after_a_copy_older_than_its_sending_is_restored():
    # Found by seed 5289 (rule `outbox`): the client sent the message at its next start, and a backup from before that
    # was restored. The simulation did not know that it had been stored, and took it for lost by the client.
    simulate(
        Plan.from_json("""{"seed": 0, "steps": [
[1.0, "server", "copy", null],
[1.0, "server", "kill", 5.0],
[0.1, "alice-phone", "queue", "carol"],
[0.003, "alice-phone", "close", null],
[1.0, "alice-phone", "start", null],
[100.0, "server", "put back", 0.3]
]}""")
    )


def test_dead_line_may_be_detected_later_after_bytes_moved_on_another_connection():
    # Found by seed 5292 (rule `late`): a hint closed the connection on which bytes had moved. The simulation did not
    # see it, and expected that the dead line is detected as early as without it.
    simulate(
        Plan.from_json("""{"seed": 5292, "steps": [
[1348.0, "carol-phone", "say group", null],
[18.0, "bob-phone", "say group", null],
[0.0, "carol-phone", "delete", null],
[8.0, "bob-phone", "half open", null],
[0.0, "bob-phone", "react", null],
[9.0, "alice-desk", "say", "bob"]
]}""")
    )


def test_client_need_not_receive_a_message_whose_deletion_a_restored_copy_undoes():
    # Found by seed 105 (rule `lost`): the message was deleted when alice-phone started, and a copy that was restored
    # later has it again. The simulation expected that alice-phone receives it then.
    simulate(
        Plan.from_json("""{"seed": 105, "steps": [
[3071.0, "alice-phone", "close", null],
[23.0, "alice-desk", "queue", "bob"],
[15.0, "server", "copy", null],
[0.0, "alice-desk", "delete", null],
[28.0, "alice-phone", "start", null],
[0.46689, "server", "put back", 0.0]
]}""")
    )


def test_user_who_joins_again_is_notified_of_a_removal_whose_notice_was_lost():
    # Found by seed 52193 (rule `untold member`): carol-phone was never notified that carol had been removed.
    for seed in (52193, 52194):
        simulate(
            Plan.from_json(f"""{{"seed": {seed}, "steps": [
[0.0, "server", "lose", 1],
[3806.0, "alice-phone", "kick", "carol"],
[3806.0, "carol-phone", "join", null]
]}}""")
        )


def test_messages_that_a_device_sent_itself_cause_no_gap():
    # Found by seed 100299 (rule `gap`): bob-phone had sent more messages itself than a catch-up hands over, and
    # received a gap that contained only these.
    simulate(
        Plan.from_json("""{"seed": 100299, "steps": [
[282.0, "server", "copy", null],
[0.0, "alice-desk", "say tagged", ["team", ["red"], [], false]],
[0.49099, "server", "put back", 5.0],
[0.0, "bob-phone", "burst", 29]
]}""")
    )


def test_device_can_log_in_again_after_a_login_whose_token_has_expired():
    # Found by seed 200038 (rule `stuck`): the last login of the run failed with LOGIN_IN_PROGRESS, and the token of the
    # earlier login expired, as the plan says. The simulation did not log in once more.
    simulate(
        Plan.from_json("""{"seed": 200038, "steps": [
[1675.0, "alice-desk", "send file", ["team", 1, ["red"]]],
[23.0, "network", "move", "192.0.2.55"],
[14.0, "alice-desk", "log in", null]
]}""")
    )


def test_device_that_connects_only_on_request_can_connect_after_a_slow_login():
    # Found by seed 300236: the simulation called `connect()` before the login had ended, and then took the device for
    # stuck.
    simulate(Plan.from_json("""{"seed": 300236, "steps": [
[24.0, "backend", "log out", "alice-desk"],
[29.0, "network", "slow accept", 2.0],
[1631.0, "alice-desk", "log in", null],
[1.0, "alice-desk", "register push", null]
]}"""))  # fmt: skip


def test_gap_after_a_restore_begins_at_the_last_message_that_both_sides_know():
    # Found by seed 300165 (rule `gap`): within the gap was a message that the device had received, and the restored
    # backup did not have. The simulation took that for wrong.
    simulate(Plan.from_json("""{"seed": 300165, "steps": [
[778.0, "server", "copy", null],
[0.0, "carol-phone", "queue", "bob"],
[739.0, "server", "put back", 0.3],
[0.0, "alice-phone", "burst", 35],
[0.0, "network", "nameless", null],
[2.0, "carol-phone", "drop", null]
]}"""))  # fmt: skip


def test_upload_that_a_proxy_repeats_does_not_bring_back_a_removed_file():
    # Found by seed 300835: the file had been removed with its message, and was there again after a proxy repeated the
    # upload.
    simulate(Plan.from_json("""{"seed": 300835, "steps": [
[0.0, "alice-phone", "proxy", ["repeat"]],
[1649.0, "alice-phone", "send file", ["team", 300, []]],
[1.0, "alice-phone", "delete", null],
[4.0, "alice-phone", "repeat", null]
]}"""))  # fmt: skip


def test_attempt_with_a_revoked_token_is_rejected_though_a_request_has_replaced_the_token():
    # Found by seed 300892: alice-phone rightly reported that its token was rejected. The simulation only knew the token
    # that a request had obtained meanwhile, which was valid.
    simulate(Plan.from_json("""{"seed": 300892, "steps": [
[39.0, "alice-desk", "say", "bob"],
[13.0, "carol-phone", "burst", 39],
[593.0, "alice-desk", "burst", 5],
[18.0, "alice-phone", "line", [60000, 60000, 0.5, 0.6]],
[364.0, "bob-phone", "say", "alice"],
[401.0, "alice-phone", "reply", null],
[0.0, "backend", "log out", "carol-phone"],
[14.0, "alice-phone", "log out", null],
[12.0, "alice-phone", "log in", null],
[7.76719, "alice-phone", "edit", null],
[0.0, "backend", "log out", "alice-phone"],
[4.0, "alice-phone", "edit", null],
[0.0, "backend", "log out", "alice-phone"],
[7.0, "bob-phone", "say", "carol"]
]}"""))  # fmt: skip


def test_attachment_whose_file_record_a_backup_lost_is_described_as_its_sender_did():
    # Found by seed 301635: the size that the server stores for such a file is the sender's text. The simulation
    # expected a number.
    simulate(Plan.from_json("""{"seed": 301635, "steps": [
[1024.0, "server", "copy", null],
[0.0, "alice-desk", "send file", ["team", 1, ["red"]]],
[0.02809, "server", "put back", 0.0]
]}"""))  # fmt: skip


def test_gap_is_reported_in_place_of_a_message_edited_after_a_ban_though_the_clock_went_back():
    # Found by seed 303323 (rule `gap`): the simulation compared times, by which the edit came before the ban.
    simulate(Plan.from_json("""{"seed": 303323, "steps": [
[0.0, "carol-phone", "background", null],
[1634.0, "alice-phone", "say tagged", ["team", ["sp\\u00e4\\u0165", "blue"], [], true]],
[1.0, "alice-phone", "ban", "carol"],
[15.0, "server", "clock", -3600],
[62.0, "alice-phone", "edit tagged", [[], ["carol", "alice"]]]
]}"""))  # fmt: skip


def test_device_need_not_receive_a_message_that_was_lost_before_its_login():
    # Found by seed 304009 (rule `hole`): the server lost the message when bob-phone had just logged out, and the
    # simulation expected that it is fetched after the next login.
    simulate(Plan.from_json("""{"seed": 304009, "steps": [
[83.0, "alice-desk", "register push", null],
[0.0, "server", "lose", 1],
[6.0, "alice-desk", "say", "bob"],
[0.00351, "bob-phone", "log out", null],
[5.0, "alice-phone", "burst", 35]
]}"""))  # fmt: skip


def test_devices_agree_whether_a_conversation_is_pinned_that_is_deleted_at_the_same_moment():
    # Found by seed 303226: the conversation was pinned, and the user's other devices were not notified of that.
    simulate(Plan.from_json("""{"seed": 303226, "steps": [
[478.0, "carol-phone", "say group", null],
[341.0, "alice-phone", "say", "carol"],
[427.0, "server", "slow work", 0.3],
[4.0, "alice-phone", "read group", null],
[0.0, "alice-phone", "delete chat", "carol"],
[0.0, "alice-phone", "pin chat", "carol"]
]}"""))  # fmt: skip


def test_client_need_not_receive_messages_of_a_deleted_conversation_that_a_backup_restores():
    # Found by seed 305205: the user deleted a conversation with a message that alice-phone had missed. The simulation
    # expected the message when a restored backup had the conversation again.
    simulate(Plan.from_json("""{"seed": 305205, "steps": [
[275.0, "server", "put back", 0.3],
[6.0, "network", "swallow", null],
[5.0, "alice-phone", "queue", "bob"],
[854.0, "network", "restore", null],
[0.0, "alice-phone", "unblock user", "carol"],
[4.0, "server", "copy", null],
[5.0, "alice-desk", "burst", 18],
[0.0, "alice-phone", "delete chat", "bob"],
[541.0, "server", "put back", 60.0]
]}"""))  # fmt: skip


def test_disconnected_device_need_not_receive_messages_of_a_deleted_conversation_that_a_backup_restores():
    # Found by seed 400389: as in seed 305205, a restored backup had the deleted conversation again; alice-desk had been
    # disconnected when its message came.
    simulate(Plan.from_json("""{"seed": 400389, "steps": [
[18.0, "alice-desk", "disconnect", null],
[721.0, "bob-phone", "say", "alice"],
[1607.0, "server", "copy", null],
[0.0, "carol-phone", "say group", null],
[8.0, "alice-phone", "delete chat", "bob"],
[7.0, "alice-desk", "connect", null],
[8.0, "server", "put back", 0.0]
]}"""))  # fmt: skip


def test_server_is_started_again_only_after_a_slow_stop_has_ended():
    # Found by seed 400442: the simulation started a server while the one before still stopped.
    simulate(Plan.from_json("""{"seed": 400442, "steps": [
[23.0, "server", "slow work", 2.0],
[1660.0, "server", "stop", 5.0],
[0.0, "server", "start", null],
[0.0, "server", "stop", 0.0]
]}"""))  # fmt: skip


def test_refused_position_is_asked_about_again_when_another_copy_is_restored():
    # Found by seed 500367: a client that was disconnected while it asked how much of its position a restored copy knew
    # reported everything as a gap when another copy was restored.
    simulate(Plan.from_json("""{"seed": 500367, "steps": [
[295.79679, "server", "copy", null],
[0.09247, "alice-phone", "burst", 19],
[0.0, "server", "lose", 2],
[0.01469, "carol-phone", "cut amid", 0],
[0.03425, "network", "jitter", 0.3],
[0.0, "server", "lose", 1],
[3.41361, "alice-desk", "react", null],
[0.0438, "alice-desk", "kill", null],
[5.89042, "network", "jitter", 2.0],
[0.0, "server", "lose", 2],
[0.0, "bob-phone", "reply", null],
[1025.0, "carol-phone", "kill", null],
[215.0, "bob-phone", "say", "carol"],
[0.03626, "bob-phone", "cut amid", 5],
[729.0, "alice-phone", "reply", null],
[0.0, "server", "put back", 5.0],
[10.0, "alice-phone", "disconnect", null],
[932.0, "server", "put back", 0.0]
]}"""))  # fmt: skip


def test_read_for_a_missing_message_does_not_skip_one_of_another_conversation():
    # Found by seed 900132: on a dead line, on which alice-desk still sent messages over HTTP, history was read from
    # where the conversation of the missing message was complete. Its position moved beyond another missing one.
    simulate(Plan.from_json("""{"seed": 900132, "steps": [
[5333.0, "alice-phone", "say", "bob"],
[1343.0, "bob-phone", "react", null],
[0.0, "alice-desk", "react", null],
[8.0, "network", "jitter", 0.3],
[13.0, "carol-phone", "say group", null],
[7.0, "bob-phone", "type", null],
[2.0, "alice-desk", "half open", null],
[0.0, "alice-desk", "reply", null],
[5.0, "alice-phone", "say", "bob"],
[7.0, "alice-desk", "say group", null],
[0.0, "carol-phone", "reply", null]
]}"""))  # fmt: skip


def test_login_that_fails_on_a_cut_connection_succeeds_at_the_second_attempt():
    # Found by seed 2001721: alice-desk noticed only after the recovery that its token was revoked. Its first request since
    # then used a connection that was cut, and it had no second attempt.
    simulate(Plan.from_json("""{"seed": 2001721, "steps": [
[2462.0, "alice-desk", "log out", null],
[21.0, "alice-desk", "log in", null],
[194.0, "backend", "log out", "bob-phone"],
[128.0, "backend", "log out", "alice-desk"],
[20.0, "alice-phone", "say", "carol"],
[6.0, "network", "jitter", 0.3],
[5.0, "bob-phone", "say group", null],
[8.0, "bob-phone", "half open", null],
[24.0, "carol-phone", "log out", null],
[12.0, "alice-desk", "portal", ["redirect", "swallow"]],
[0.0, "alice-desk", "queue", "carol"],
[83.0, "alice-desk", "say group", null],
[15.0, "alice-desk", "log in", null],
[1.0, "alice-desk", "register push", null]
]}"""))  # fmt: skip
