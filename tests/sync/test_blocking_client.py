"""The blocking client: calls, requests, events, timeouts, and its end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import json
import pickle
import threading
import time
import weakref

import pytest

from sync_harness import SyncHarness, threads, until
from tailwire import (
    CometChatException,
    ConnectionStatus,
    Group,
    GroupMember,
    GroupsRequestBuilder,
    MemorySessionStore,
    MessageListener,
    MessageReceived,
    MessagesRequestBuilder,
    ReactionsRequestBuilder,
    TextMessage,
    UploadAttachment,
    UploadFile,
    UploadFileListener,
    UsersRequestBuilder,
)
from tailwire.sdk.connection.history import load_dump
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import Phase
from tailwire.sync import Client


def send_text(chat: Client, to: str, text: str) -> TextMessage:
    return chat.send_message(TextMessage(receiver=to, receiver_type="user", text=text))


def test_script_logs_in_sends_reads_and_closes(harness: SyncHarness):
    bob_uid = harness.add_user()
    with harness.client() as alice:
        user = alice.login(harness.add_user(), auth_key=harness.server.auth_key)
        assert alice.get_logged_in_user() == user
        alice.wait_connected(timeout=20)
        assert alice.get_connection_status() is alice.connection.status is ConnectionStatus.CONNECTED
        assert alice.connection.explain().startswith("connected")
        sent = send_text(alice, bob_uid, "hello")
        assert isinstance(sent, TextMessage)
        assert sent.id > 0
        assert [m.id for m in alice.messages(uid=bob_uid)] == [sent.id]
        assert alice.init() == "Initialization completed successfully"
    assert alice.get_connection_status() is ConnectionStatus.DISCONNECTED
    assert "closed" in alice.connection.explain()
    alice.remove_message_listener("none")
    assert threads() == 0


def test_event_loop_is_created_in_the_clients_thread(harness: SyncHarness, monkeypatch: pytest.MonkeyPatch):
    made_in: list[str] = []

    class RecordedLoop(asyncio.SelectorEventLoop):
        def __init__(self) -> None:  # on Windows, one that is created in the main thread takes over its signals
            made_in.append(threading.current_thread().name)
            super().__init__()

    monkeypatch.setattr(asyncio, "SelectorEventLoop", RecordedLoop)
    harness.client().close()
    assert made_in == ["tailwire client"]


def test_loop_that_cannot_be_created_is_raised_and_leaves_no_thread(
    harness: SyncHarness, monkeypatch: pytest.MonkeyPatch
):
    def refused() -> asyncio.AbstractEventLoop:
        raise OSError("too many open files")

    before = threads()
    monkeypatch.setattr(asyncio, "SelectorEventLoop", refused)
    with pytest.raises(OSError, match="too many"):
        harness.client()
    until(lambda: threads() == before)


def test_constructor_raises_init_errors_and_leaves_no_thread(harness: SyncHarness):
    with pytest.raises(CometChatException, match="the app id is empty"):
        Client("", harness.settings().build(), session_store=MemorySessionStore())
    with pytest.raises(CometChatException, match="the settings are a str"):
        Client("app", "settings", session_store=MemorySessionStore())  # type: ignore[arg-type]
    for bad in ({"post": 3}, {"timeout": "long"}, {"timeout": True}, {"on_event": "told"}):
        with pytest.raises(TypeError):
            Client("app", harness.settings().build(), **bad)  # type: ignore[arg-type]
    for seconds in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            Client("app", harness.settings().build(), timeout=seconds)
    assert threads() == 0


def test_errors_keep_their_code(harness: SyncHarness):
    alice = harness.enter()
    with pytest.raises(CometChatException) as caught:
        alice.get_user("nobody")
    assert caught.value.code == "ERR_UID_NOT_FOUND"
    uid = alice.get_logged_in_user().uid  # type: ignore[union-attr]
    assert alice.get_user(uid).uid == uid
    with pytest.raises(TypeError, match="get_user"):
        alice.get_user()  # type: ignore[call-arg]


def test_requests_fetch_page_by_page(harness: SyncHarness):
    bob_uid = harness.add_user()
    alice = harness.enter()
    ids = [send_text(alice, bob_uid, str(n)).id for n in range(5)]
    request = alice.request(MessagesRequestBuilder().set_uid(bob_uid).set_limit(2))
    assert [[m.id for m in request.fetch_previous()] for _ in range(4)] == [ids[3:], ids[1:3], ids[:1], []]
    alice.add_reaction(ids[0], "👍")
    reactions = alice.request(ReactionsRequestBuilder(ids[0]))
    assert [r.reaction for r in reactions.fetch_previous()] == ["👍"]
    assert [u.uid for u in alice.request(UsersRequestBuilder().set_uids([bob_uid])).fetch_next()] == [bob_uid]
    assert alice.request(GroupsRequestBuilder().joined_only()).fetch_next() == []
    assert request.start("fetch_next").result(20) == []
    assert list(alice.messages(uid=bob_uid, after=ids[2], page_size=1)) == list(
        reversed(list(alice.messages(uid=bob_uid))[:2])
    )
    with pytest.raises(TypeError, match="before build"):
        alice.request(request)  # type: ignore[call-overload]
    with pytest.raises(CometChatException, match="not both"):
        next(alice.messages(uid=bob_uid, guid="team"))
    with pytest.raises(TypeError, match="request\\(builder\\)"):
        MessagesRequestBuilder().set_uid(bob_uid).build(alice)  # type: ignore[arg-type]


def test_lists_are_plain_iterators(harness: SyncHarness):
    bob_uid, guid = harness.add_user(), f"group-{harness.add_user()}"
    alice = harness.enter()
    uid = alice.get_logged_in_user().uid  # type: ignore[union-attr]
    sent = send_text(alice, bob_uid, "hello")
    alice.add_reaction(sent.id, "b")
    alice.create_group_with_members(Group(guid, "Team"), [GroupMember(bob_uid)])
    alice.block_users([bob_uid])
    users = alice.users(page_size=1)
    assert {next(users).uid for _ in range(2)} <= {user.uid for user in alice.users()}
    users.close()
    assert list(users) == []
    assert [c.conversation_with.uid for c in alice.conversations(conversation_type="user")] == [bob_uid]  # type: ignore[union-attr]
    assert [group.guid for group in alice.groups(joined_only=True)] == [guid]
    assert {member.uid for member in alice.group_members(guid, page_size=1)} == {uid, bob_uid}
    assert list(alice.banned_group_members(guid)) == []
    assert [user.uid for user in alice.blocked_users()] == [bob_uid]
    assert [reaction.reaction for reaction in alice.reactions(sent.id)] == ["b"]
    with pytest.raises(CometChatException, match="ERROR_LIMIT_EXCEEDED"):
        alice.conversations(page_size=51)
    nowhere = alice.group_members("nowhere")
    for _ in range(2):
        with pytest.raises(CometChatException, match="ERR_GUID_NOT_FOUND"):
            next(nowhere)


def test_uploads_report_to_a_listener(harness: SyncHarness):
    received: list[tuple[str, str]] = []
    progress: list[int] = []

    class Recorder(UploadFileListener):
        def on_file_progress(self, file_id, loaded, total, percent):
            progress.append(percent)

        def on_file_uploaded(self, file_id, attachment):
            received.append(("uploaded", file_id))

        async def on_complete(self, result):
            received.append(("complete", ",".join(result.successful)))

    alice = harness.enter()
    request = alice.create_upload_file_request(harness.add_user()).set_concurrency(2)
    files = [UploadAttachment("one", UploadFile(content=b"x" * 200_000, name="one.txt"))]
    result = request.upload_attachments(files, Recorder())
    assert [a.name for a in request.get_attachments()] == ["one.txt"]
    assert list(result.successful) == ["one"]
    assert received == [("uploaded", "one"), ("complete", "one")]
    assert progress[-1] == 100
    again = request.start(
        "upload_attachments", [UploadAttachment("two", UploadFile(content=b"z", name="z"))], Recorder()
    )
    assert list(again.result(20).successful) == ["two"]
    assert received[2:] == [("uploaded", "two"), ("complete", "two")]
    with pytest.raises(CometChatException, match="would never be called"):
        request.upload_attachments(files, listener=object())  # type: ignore[arg-type]
    seen: list[int] = []
    file = UploadFile(content=b"y", name="two.txt")
    alice.upload_attachments(
        harness.add_user(), "user", [file], on_progress=lambda name, sent, total: seen.append(sent)
    )
    assert seen == [1]


def test_queued_message_is_sent_and_leaves_the_queue(harness: SyncHarness):
    bob_uid = harness.add_user()
    alice = harness.enter(builder=harness.settings().keep_unsent_messages())
    entry = alice.queue_message(TextMessage(receiver=bob_uid, receiver_type="user", text="later"))
    stored = entry.result()
    assert (stored.id > 0, stored, entry.status, entry.error) == (True, entry.message, "sent", None)
    assert stored.muid == entry.muid
    assert (entry.cancel(), entry.retry()) == (False, False)
    assert alice.queued_messages() == []


def test_events_arrive_in_order(harness: SyncHarness):
    bob_uid = harness.add_user()
    received: list[str] = []
    where: set[int] = set()

    def on_event(event: object) -> None:
        where.add(threading.get_ident())
        if isinstance(event, MessageReceived):
            received.append(event.message.text)  # type: ignore[attr-defined]

    bob, alice = harness.enter(bob_uid), harness.enter()
    stop, events = bob.on_event(on_event), bob.events(timeout=20)
    gc.collect()  # only the client refers to the function
    texts = [str(n) for n in range(20)]
    for text in texts:
        send_text(alice, bob_uid, text)
    read: list[str] = []
    for event in events:
        if isinstance(event, MessageReceived):
            read.append(event.message.text)  # type: ignore[attr-defined]
            if len(read) == 20:
                break
    until(lambda: len(received) == 20)
    assert read == received == texts
    assert where == {next(t.ident for t in threading.enumerate() if t is bob._client_thread._thread)}
    stop()
    stop()
    send_text(alice, bob_uid, "after")
    assert next(e for e in events if isinstance(e, MessageReceived)).message.text == "after"  # type: ignore[attr-defined]
    assert received == texts
    bob.close()
    assert list(events) == []


def test_event_after_the_timeout_of_an_iterator_is_delivered_by_the_next_iteration(harness: SyncHarness):
    bob_uid = harness.add_user()
    bob, alice = harness.enter(bob_uid), harness.enter()
    with bob.events(timeout=0.05) as events:
        assert [e for e in events if isinstance(e, MessageReceived)] == []
        send_text(alice, bob_uid, "late")
        found: list[MessageReceived] = []
        until(lambda: found.extend(e for e in events if isinstance(e, MessageReceived)) or found)
        assert [e.message.text for e in found] == ["late"]  # type: ignore[attr-defined]
    assert list(events) == []


def test_message_missed_by_a_saved_session_is_delivered_to_on_event(harness: SyncHarness):
    bob_uid, store = harness.add_user(), MemorySessionStore()
    harness.enter(bob_uid, session_store=store).close()
    send_text(harness.enter(), bob_uid, "missed")
    received: list[object] = []
    harness.client(session_store=store, on_event=received.append)  # without login(): there is a saved session
    until(lambda: [e for e in received if isinstance(e, MessageReceived) and e.message.text == "missed"])  # type: ignore[attr-defined]


def test_listeners_run_in_the_clients_thread(harness: SyncHarness, caplog: pytest.LogCaptureFixture):
    bob_uid = harness.add_user()
    bob, alice = harness.enter(bob_uid), harness.enter()
    received: list[object] = []

    class Recorder(MessageListener):
        async def on_text_message_received(self, message):
            await asyncio.sleep(0)
            if message.text == "end":
                raise SystemExit("not here")
            try:
                bob.get_user(bob_uid)
            except RuntimeError as e:
                received.append(str(e))
            received.append(bob.get_connection_status())  # non-blocking calls are allowed here
            bob.start("get_user", bob_uid, done=lambda user: received.append(user.uid))

    bob.add_message_listener("recorder", Recorder())
    send_text(alice, bob_uid, "end")  # must end neither the program nor the thread
    send_text(alice, bob_uid, "hello")
    until(lambda: len(received) == 3)
    assert "own thread" in str(received[0])
    assert "start('get_user'" in str(received[0])
    assert received[1:] == [ConnectionStatus.CONNECTED, bob_uid]
    assert "cannot end the program" in caplog.text
    with pytest.raises(CometChatException, match="would never be called"):
        bob.add_message_listener("recorder", object())  # type: ignore[arg-type]


def test_start_returns_before_the_call_has_ended(harness: SyncHarness, caplog: pytest.LogCaptureFixture):
    alice = harness.enter()
    uid = alice.get_logged_in_user().uid  # type: ignore[union-attr]
    results: list[object] = []
    assert alice.start("get_user", uid, done=results.append).result(20).uid == uid
    with pytest.raises(CometChatException, match="ERR_UID_NOT_FOUND"):
        alice.start("get_user", "nobody", failed=results.append).result(20)
    until(lambda: len(results) == 2)
    assert (results[0].uid, results[1].code) == (uid, "ERR_UID_NOT_FOUND")  # type: ignore[attr-defined]
    alice.start("get_user", "nobody", done=results.append).exception(20)
    until(lambda: "without failed=" in caplog.text)
    alice.disconnect()
    waiting = alice.start("wait_connected")
    assert not waiting.done()
    alice.connect()
    assert waiting.result(20) is None
    for nonsense in (
        "nonsense",
        "_init",
        "",
        3,
        "close",
        "aclose",
        "events",
        "messages",
        "queue_message",
        "connection",
    ):
        with pytest.raises(AttributeError):
            alice.start(nonsense)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        alice.start("get_user", uid, done="told")  # type: ignore[arg-type]


def test_client_and_its_views_have_separate_timeouts(harness: SyncHarness):
    alice = harness.client(timeout=0.05)
    slow = alice.with_timeout(20)
    slow.login(harness.add_user(), auth_key=harness.server.auth_key)
    slow.disconnect()
    with pytest.raises(TimeoutError, match=r"wait_connected\(\) has not ended within 0.05 s, and was cancelled"):
        alice.wait_connected()
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="disconnect"):  # the call's own timeout has its own message
        alice.wait_connected(timeout=0.3)
    assert time.monotonic() - started >= 0.3
    slow.connect()
    assert slow.with_timeout(None).get_connection_status() is ConnectionStatus.CONNECTED
    slow.close()
    alice.close()
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        alice.get_user("bob")


class Hears(MessageListener):
    def on_text_message_received(self, message):
        """Do nothing."""


def test_closed_client_refuses_and_ends_calls(harness: SyncHarness):
    alice = harness.enter()
    alice.disconnect()
    request = alice.request(UsersRequestBuilder())
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(alice.wait_connected), pool.submit(list, alice.events())]
        until(lambda: len(alice._client_thread._begun) == 2)
        alice.close()
        alice.close()
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            waiting[0].result(20)
        assert isinstance(waiting[1].result(20), list)
    for call in (
        lambda: alice.get_user("bob"),
        lambda: alice.set_app_state("background"),
        lambda: alice.set_network("offline"),
        lambda: alice.start("get_user", "bob"),
        lambda: alice.on_event(print),
        lambda: alice.events(),
        lambda: next(alice.messages()),
        lambda: alice.add_message_listener("recorder", Hears()),
        request.fetch_next,
    ):
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            call()


def test_thousand_calls_from_eight_threads_succeed_in_order(harness: SyncHarness):
    bob_uid = harness.add_user()
    alice = harness.enter()

    def some(n: int) -> list[int]:
        return [send_text(alice, bob_uid, f"{n}/{k}").id for k in range(125)]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ids = [i for part in pool.map(some, range(8)) for i in part]
    assert len(set(ids)) == 1000
    texts = [m.text for m in alice.messages(uid=bob_uid, page_size=100)]  # type: ignore[attr-defined]
    assert len(texts) == 1000
    for n in range(8):
        of_one = [t for t in reversed(texts) if t.startswith(f"{n}/")]
        assert of_one == [f"{n}/{k}" for k in range(125)]


def test_app_state_and_network_are_reported_without_waiting(harness: SyncHarness):
    alice = harness.enter()
    blocked, go_on = threading.Event(), threading.Event()
    alice._client_thread._loop.call_soon_threadsafe(lambda: (blocked.set(), go_on.wait(20)))
    assert blocked.wait(20)
    started = time.monotonic()
    alice.set_app_state("background", reason="window")
    alice.set_app_state("background", reason="sleep")
    alice.set_network("unknown")
    assert time.monotonic() - started < 0.5
    go_on.set()
    until(lambda: alice.get_connection_status() is ConnectionStatus.DISCONNECTED)
    alice.set_app_state("foreground", reason="window")
    assert alice.get_connection_status() is ConnectionStatus.DISCONNECTED
    alice.set_app_state("foreground", reason="sleep")
    alice.wait_connected()
    for call in (lambda: alice.set_app_state("asleep"), lambda: alice.set_network("on")):  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            call()
    with pytest.raises(TypeError):
        alice.set_app_state("background", reason=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_token_provider_may_be_plain_or_async(harness: SyncHarness, kind: str):
    uid = harness.add_user()
    calls: list[str] = []

    def new() -> str:
        calls.append(threading.current_thread().name)
        return harness.server.call(harness.server.parts.actions.sessions.create_token(uid)).token

    async def new_async() -> str:
        return await asyncio.to_thread(new)

    alice = harness.enter(uid, auth_token_provider=new if kind == "plain" else new_async)
    harness.server.revoke_tokens(uid)
    until(lambda: calls)
    alice.wait_connected()
    assert alice.get_user(uid).uid == uid
    assert calls[0].startswith("tailwire token provider" if kind == "plain" else "asyncio")


def test_collected_client_is_closed_with_a_warning(harness: SyncHarness):
    chat = Client(harness.server.app_id, harness.settings().build(), session_store=MemorySessionStore())
    chat.login(harness.add_user(), auth_key=harness.server.auth_key)
    request, view = chat.request(UsersRequestBuilder()), chat.with_timeout(5)
    gone = weakref.ref(chat)
    del chat
    gc.collect()
    assert gone() is None
    assert request.fetch_next()  # objects made by the client keep it open
    assert view.get_connection_status()
    held = [request, view]
    del request, view
    with pytest.warns(ResourceWarning, match="dropped without close"):
        held.clear()
    until(lambda: threads() == 0)


def test_close_times_out_while_the_thread_is_blocked(harness: SyncHarness):
    alice = harness.enter()
    held, go_on = threading.Event(), threading.Event()
    alice._client_thread._loop.call_soon_threadsafe(lambda: (held.set(), go_on.wait(20)))
    assert held.wait(20)
    with pytest.raises(TimeoutError, match="with_timeout"):
        alice.with_timeout(0.05).get_connection_status()
    with pytest.raises(TimeoutError, match="a listener in its thread may be blocking"):
        alice.close(0.05)
    with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
        alice.get_user("bob")
    go_on.set()
    alice.close()
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(alice)


def test_iterator_that_was_collected_no_longer_receives_events(harness: SyncHarness):
    alice = harness.enter()
    events = alice.events(timeout=0.01)
    list(events)
    assert alice._target._registries.streams
    del events
    gc.collect()
    until(lambda: not alice._target._registries.streams.references)
    until(lambda: not alice._client_thread._begun)


def test_dump_of_a_connected_blocking_client_replays_to_the_open_state(harness: SyncHarness, tmp_path):
    alice = harness.enter()
    assert alice.connection.history
    alice.connection.dump(tmp_path / "dump.json")
    state, recorded = load_dump(json.loads((tmp_path / "dump.json").read_text(encoding="utf-8")))
    for r in recorded:
        state, _ = step(state, r.happened, r.at, r.chance)
    assert state.phase is Phase.OPEN
    with pytest.raises(FileNotFoundError):
        alice.connection.dump(tmp_path / "none" / "dump.json")


def test_calls_for_groups_counts_and_logout_return_results_as_chat_client_does(harness: SyncHarness):
    uid = harness.add_user()
    alice = harness.enter(uid)
    team = alice.create_group(Group("team-1", "Team"))
    assert alice.get_group(team.guid).name == "Team"
    assert alice.get_online_user_count() >= 1
    assert isinstance(alice.is_pin_message_enabled(), bool)
    bob = harness.enter()
    sender = bob.get_logged_in_user()
    assert sender is not None
    send_text(bob, uid, "unread")
    assert alice.get_unread_message_count() == {"user": {sender.uid: 1}, "group": {}}
    assert alice.logout() == "Logout completed successfully"
    assert alice.get_logged_in_user() is None
