"""The WebSocket of the server, fed with bytes: in which order they are processed, and how it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tailwire.server.gateway.protocol import CHUNK_BYTES, MAX_FRAGMENTS, MAX_INBOX_FRAMES, SocketProtocol
from tailwire.wire.close_codes import CloseCode

MAX_FRAME = 20_000
MAX_HEAD_BYTES = 64 * 1024  # documented for the head of a request


class Line:
    """A transport that keeps what is written, and says whether it is read."""

    def __init__(self) -> None:
        self.written = b""
        self.waiting = 0
        self.reading = True
        self.closing = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True


class Scene:
    """A socket, its client, and a gateway that records its calls.

    Attributes:
        wait: the seconds after which a socket is admitted; None if it is refused.
        head: the bytes of the upgrade request.
        turns: what runs in the next turn of the event loop.
        later: what runs after some seconds.
    """

    def __init__(self) -> None:
        self.now, self.wait = 100.0, cast("float | None", 0.0)
        self.turns: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.frames: list[bytes] = []
        self.restarts = self.ended = self.head = 0
        self.counted = True
        self.closes: Counter[str] = Counter()
        loop = SimpleNamespace(
            time=lambda: self.now,
            call_soon=lambda call: self.turns.append(call),
            call_later=lambda wait, call, *values: self.later.append((wait, lambda: call(*values))),
        )
        admission = SimpleNamespace(
            hosts=SimpleNamespace(allows=lambda name: name == "server"),
            is_known=lambda proof: proof == "known",
            delay=lambda sockets, has_pass: self.wait,
            unauthenticated=SimpleNamespace(take=lambda address: SimpleNamespace(free=lambda: None)),
        )
        metrics = SimpleNamespace(sockets=0, closes=self.closes, upgrades_refused=0, refusals=Counter())
        settings = SimpleNamespace(max_frame=MAX_FRAME, slow_drop=1000, slow_close=5000, upgrade_delay=0.3)
        gateway = SimpleNamespace(
            loop=loop, settings=settings, admission=admission, metrics=metrics,
            overload=SimpleNamespace(retry_after=lambda: 3), register=lambda socket: None, handle_text=self._frame,
            forget=self._ended, announce_restart=self._announced, count_frame=lambda socket: self.counted,
        )  # fmt: skip
        self.gateway = gateway
        self.line = Line()
        self.socket = SocketProtocol(cast(Any, gateway), None, SimpleNamespace(connections=set()), None)
        self.socket.connection_made(cast(Any, self.line))
        self.client = ClientProtocol(parse_uri("ws://server/"))

    def _frame(self, socket: Any, text: bytes) -> None:
        self.frames.append(text)
        if socket.inbox is not None:
            socket.inbox.append(text)

    def _ended(self, socket: Any) -> None:
        self.ended += 1

    def _announced(self, socket: Any) -> None:
        self.restarts += 1

    def upgrade(self, host: str = "server", *headers: tuple[str, str]) -> None:
        """Send the request of a client."""
        request = self.client.connect()
        del request.headers["Host"]
        request.headers["Host"] = host
        for name, value in headers:
            request.headers[name] = value
        self.head = len(request.serialize())
        self.socket.data_received(request.serialize())

    def open(self) -> Scene:
        """Complete the handshake."""
        self.upgrade("server", ("X-Tailwire-Client", "1"))
        for _, call in self.later:
            call()
        self.client.receive_data(self.line.written)
        assert b" 101 " in self.line.written
        self.line.written = b""
        return self

    def turn(self) -> int:
        """Run what is due in the next turn of the event loop. Return how many calls that were."""
        due, self.turns = self.turns, []
        for call in due:
            call()
        return len(due)

    def sent(self) -> bytes:
        """Return the bytes of what the client sends."""
        return b"".join(self.client.data_to_send())

    def text(self, text: str) -> bytes:
        """Return the bytes of a text message of the client."""
        return frame(Opcode.TEXT, text.encode())

    def answers(self) -> list[Any]:
        """Return the frames that the client has received since the last call."""
        self.client.receive_data(self.line.written)
        self.line.written = b""
        return [one for one in self.client.events_received() if isinstance(one, Frame)]


def frame(opcode: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


def code_of(frames: list[Any]) -> int:
    (closing,) = [one for one in frames if one.opcode is Opcode.CLOSE]
    return int.from_bytes(closing.data[:2], "big")


@pytest.fixture
def scene() -> Scene:
    return Scene().open()


def test_socket_that_must_wait_is_accepted_after_the_time_to_wait():
    scene = Scene()
    scene.wait = 2.0
    scene.upgrade("server", ("X-Tailwire-Client", "1"))
    assert scene.line.written == b""
    ((wait, accept),) = scene.later
    assert wait == 2.0
    accept()
    assert b" 101 " in scene.line.written


def test_client_that_breaks_the_protocol_before_it_is_admitted_is_cut():
    scene = Scene()
    scene.wait = 2.0
    scene.upgrade()
    scene.socket.data_received(b"\xf1\x80aaaa")
    ((_, accept),) = scene.later
    accept()
    assert scene.line.closing
    assert b" 101 " not in scene.line.written


def test_socket_that_is_not_admitted_receives_status_503_and_a_time_to_retry():
    scene = Scene()
    scene.wait = None
    scene.upgrade()
    assert b" 503 " in scene.line.written
    assert b"Retry-After: 3\r\n" in scene.line.written
    assert b"ERR_UNAVAILABLE" in scene.line.written
    assert scene.gateway.metrics.upgrades_refused == 1


def test_socket_under_another_host_name_is_refused():
    scene = Scene()
    scene.upgrade("elsewhere")
    assert b" 421 " in scene.line.written
    assert b"ERR_HOST_NOT_ALLOWED" in scene.line.written


def test_socket_is_marked_as_slow_while_writing_to_it_is_paused(scene: Scene):
    scene.socket.pause_writing()
    assert scene.socket.slow
    scene.now += 5
    scene.socket.resume_writing()
    assert not scene.socket.slow
    assert [(event.at, event.kind) for event in scene.socket.history] == [(100.0, "slow"), (105.0, "no longer slow")]


def test_fragments_are_joined_into_one_message(scene: Scene):
    for opcode, data, fin in [(Opcode.TEXT, b"a", False), (Opcode.CONT, b"b", False), (Opcode.CONT, b"c", True)]:
        scene.socket.data_received(frame(opcode, data, fin=fin))
    assert scene.frames == [b"abc"]


def test_message_of_too_many_fragments_ends_the_socket(scene: Scene):
    scene.socket.data_received(frame(Opcode.TEXT, b"a", fin=False))
    for _ in range(MAX_FRAGMENTS - 1):
        scene.socket.data_received(frame(Opcode.CONT, b"b", fin=False))
    assert not scene.line.closing
    scene.socket.data_received(frame(Opcode.CONT, b"b", fin=False))
    assert code_of(scene.answers()) == 1009
    assert scene.frames == []


def test_large_input_takes_several_turns_of_the_event_loop(scene: Scene):
    message = scene.text("x" * 300)
    scene.socket.data_received(message * 10)
    assert (scene.frames, scene.line.reading) == ([], False)
    turns = 0
    while scene.turns:
        assert scene.turn() == 1
        turns += 1
        assert len(scene.frames) <= turns * CHUNK_BYTES // 300
    assert (len(scene.frames), scene.line.reading) == (10, True)
    assert turns >= 10 * len(message) // CHUNK_BYTES


def test_bytes_are_processed_once_and_in_order_although_more_arrive_meanwhile(scene: Scene):
    scene.socket.data_received(scene.text("a" * 900) * 2)
    scene.socket.data_received(scene.text("b"))
    scene.socket.process_more()
    while scene.turns:
        assert scene.turn() == 1
    assert scene.frames == [b"a" * 900, b"a" * 900, b"b"]


def test_socket_is_not_read_while_too_many_of_its_frames_wait(scene: Scene):
    scene.socket.inbox = [b"x"] * MAX_INBOX_FRAMES
    scene.socket.data_received(scene.text("late"))
    assert (scene.frames, scene.line.reading, scene.turns) == ([], False, [])
    scene.socket.inbox.clear()
    scene.socket.process_more()
    scene.turn()
    assert (scene.frames, scene.line.reading) == ([b"late"], True)


def test_all_bytes_are_processed_at_once_when_the_input_ends(scene: Scene):
    scene.socket.data_received(scene.text("a" * 900) * 2)
    scene.socket.eof_received()
    assert scene.frames == [b"a" * 900] * 2


def test_socket_on_hold_is_not_read_and_its_waiting_frames_are_discarded(scene: Scene):
    scene.socket.inbox = [b"x"]
    scene.socket.data_received(scene.text("a" * 900) * 2)
    scene.line.reading = True
    scene.socket.hold(200.0)
    assert (scene.line.reading, scene.socket.inbox) == (False, [])
    scene.turn()
    scene.socket.data_received(scene.text("more"))
    assert (scene.frames, scene.line.reading) == ([], False)


def test_bytes_before_authentication_are_limited(scene: Scene):
    received = scene.head
    while not scene.line.closing:
        ping = frame(Opcode.PING, b"x" * 125 if received < MAX_HEAD_BYTES + MAX_FRAME - 200 else b"")
        scene.socket.data_received(ping)
        received += len(ping)
    assert MAX_HEAD_BYTES + MAX_FRAME < received <= MAX_HEAD_BYTES + MAX_FRAME + len(ping)
    assert scene.closes == {"too much before auth": 1}


def test_as_many_bytes_as_allowed_are_received_before_authentication(scene: Scene):
    left = MAX_HEAD_BYTES + MAX_FRAME - scene.head
    whole = frame(Opcode.PING, b"x" * 100)
    for _ in range(left // len(whole) - 1):
        scene.socket.data_received(whole)
    left -= (left // len(whole) - 1) * len(whole)
    scene.socket.data_received(whole)
    rest = frame(Opcode.PING, b"x" * 100)[: left - len(whole)]
    scene.socket.data_received(rest)
    assert (scene.closes, scene.line.closing) == ({}, False)
    scene.socket.data_received(whole[len(rest) : len(rest) + 1])
    assert scene.closes == {"too much before auth": 1}


def test_bytes_after_authentication_are_not_limited(scene: Scene):
    scene.socket.uid = "alice"
    for _ in range(300):
        scene.socket.data_received(scene.text("x" * 900))
    assert (len(scene.frames), scene.line.closing) == (300, False)


@pytest.mark.parametrize(("uid", "restarts"), [("alice", 1), ("", 0)])
def test_restart_is_announced_to_authenticated_clients(scene: Scene, uid: str, restarts: int):
    scene.socket.uid = uid
    scene.socket.shutdown()
    assert (scene.restarts, code_of(scene.answers()), scene.line.closing) == (restarts, 1012, True)


@pytest.mark.parametrize("code", [code for code in CloseCode if code is not CloseCode.ABNORMAL])
def test_close_code_of_the_server_decides_whether_the_user_counts_as_having_left(scene: Scene, code: CloseCode):
    scene.socket.close(code, "why")
    assert scene.socket.closed_on_purpose is (code in (CloseCode.NORMAL, CloseCode.WINDOW_EXPIRED))
    assert scene.socket.ended_by == f"server: {code} why"


def test_user_whose_client_sends_a_close_frame_counts_as_having_left(scene: Scene):
    scene.client.send_close(1000)
    scene.socket.data_received(scene.sent())
    scene.socket.connection_lost(None)
    assert (scene.socket.closed_on_purpose, scene.socket.ended_by, scene.ended) == (True, "client: 1000", 1)


@pytest.mark.parametrize(
    ("error", "ended_by"),
    [(None, "client: no close frame"), (ConnectionResetError(), "connection lost: ConnectionResetError")],
)
def test_user_whose_connection_was_lost_does_not_count_as_having_left(
    scene: Scene, error: Exception | None, ended_by: str
):
    scene.socket.connection_lost(error)
    assert (scene.socket.closed_on_purpose, scene.socket.ended_by) == (False, ended_by)


def test_client_that_breaks_the_protocol_receives_a_close_code(scene: Scene):
    scene.socket.data_received(b"\xf1\x80aaaa")  # reserved bits
    assert code_of(scene.answers()) == 1002
    scene.socket.connection_lost(None)
    assert scene.socket.ended_by == "server: 1002 the client broke the protocol"


def test_socket_of_a_slow_reader_is_aborted_when_the_server_closes_it(scene: Scene):
    scene.socket.slow = True
    scene.socket.close(4029, "too fast")
    assert scene.line.aborted


def test_client_that_does_not_read_the_replies_to_its_pings_is_cut(scene: Scene):
    scene.line.waiting = 5000
    scene.socket.data_received(frame(Opcode.PING, b""))
    assert not scene.line.closing
    scene.line.waiting = 5001
    scene.socket.data_received(frame(Opcode.PING, b""))
    assert scene.line.aborted
    assert scene.socket.ended_by == "server: the client reads too slowly"


def test_frames_after_the_close_are_ignored(scene: Scene):
    scene.socket.close(4009, "silent")
    scene.socket.data_received(scene.text("late"))
    assert scene.frames == []
    scene.socket.ping()
    assert [one.opcode for one in scene.answers()] == [Opcode.CLOSE]


def test_ping_is_sent_only_while_the_socket_is_open(scene: Scene):
    scene.socket.ping()
    assert [one.opcode for one in scene.answers()] == [Opcode.PING]
    scene.socket.close(1000, "")
    scene.socket.ping()
    assert [one.opcode for one in scene.answers()] == [Opcode.CLOSE]


def test_fragment_that_ends_a_flooding_socket_is_not_kept(scene: Scene):
    scene.counted = False
    scene.socket.data_received(frame(Opcode.TEXT, b"a", fin=False))
    scene.counted = True
    scene.socket.data_received(frame(Opcode.CONT, b"b"))
    assert scene.frames == []  # its beginning was not kept
