"""Frame boundaries in a server's side of a connection."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from tailwire.testing.line.frames import ServerFrames

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
FRAMES = st.lists(st.tuples(st.sampled_from((Opcode.TEXT, Opcode.PING, Opcode.CLOSE)), st.sampled_from((0, 5, 125))))
LARGE = st.sampled_from((126, 65535, 65536, 70_000))


@settings(deadline=None)  # durations mean nothing on a busy machine
@given(FRAMES, LARGE, st.integers(1, 4000))
def test_frames_are_found_in_any_pieces(small, large, size):
    frames = [Frame(op, b"x" * n).serialize(mask=False) for op, n in [*small, (Opcode.TEXT, large)]]
    sent = HEAD + b"".join(frames)
    splitter = ServerFrames()
    pieces = [p for n in range(0, len(sent), size) for p in splitter.feed(sent[n : n + size])]
    assert b"".join(piece for piece, _ in pieces) == sent
    assert [piece for piece, is_text in pieces if is_text] == [f for f in frames if f[0] & 15 == 1]


@given(st.binary(max_size=200))
def test_http_passes_unchanged(data):
    assert ServerFrames().feed(b"HTTP/1.1 200 OK\r\n" + data) == [(b"HTTP/1.1 200 OK\r\n" + data, False)]
