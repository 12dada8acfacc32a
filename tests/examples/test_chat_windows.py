"""The example chat windows with their real toolkits."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blocking_example import Driven, Place

from adapters.screen import Screen, missing
from tailwire import TextMessage

pytestmark = pytest.mark.gui
HERE = Path(__file__).parent
Open = Callable[[], Driven]


@pytest.fixture(scope="module")
def display() -> Iterator[Screen]:
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian packages): run `make gui`")
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture(params=[("tk", "_tkinter"), ("pyside6", "PySide6")], ids=["tk", "pyside6"])
def window(request: pytest.FixtureRequest, display: Screen, place: Place) -> Iterator[Open]:
    """Return a function that opens the example's window; it is closed after the test."""
    name, module = request.param
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: run `make gui`")
    opened: list[Driven] = []

    def begin() -> Driven:
        opened.append(Driven(place, HERE / f"driven_{name}.py", {**display.environment, "QT_QPA_PLATFORM": "xcb"}))
        return opened[-1]

    yield begin
    for one in opened:
        one.close()


def test_two_users_chat(place: Place, window: Open):
    with place.enter("carol") as carol:
        carol.send_message(TextMessage(receiver="alice", text="Lunch?"))
    app = window()
    app.until(lambda: app.do("look")["conversations"] == ["○ Carol  (1)"], "Carol's message is counted")
    app.do("find", "bob")
    app.do("type", "Hello, Bob")
    app.until_shown("You: Hello, Bob")
    app.until(lambda: place.heard() == ["Hello, Bob"], "Bob has it")
    assert app.do("look")["title"] == "Alice – Chat"
    place.say("Hello,\nAlice")
    app.until(lambda: len(app.texts()) == 2, "Bob's answer is shown")
    assert " ".join(app.texts()[1].split()) == "Bob: Hello, Alice"
    place.bob.mark_as_read(next(m for m in place.bob.messages(uid="alice") if m.sender.uid == "alice"))
    app.until(lambda: app.do("look")["messages"][0].endswith("✓✓"), "it is shown as read")
    app.do("open", "Carol")
    app.until_shown("Carol: Lunch?")
    app.until(lambda: app.do("look")["conversations"] == ["● Bob", "○ Carol"], "what is shown counts as read")
    app.quit()


def test_restart_shows_missed_messages_once(place: Place, window: Open):
    place.say("before")
    app = window()
    app.until(lambda: app.do("look")["conversations"] == ["● Bob  (1)"], "Bob's message is counted")
    app.do("open", "Bob")
    app.until_shown("Bob: before")
    app.until(lambda: app.do("look")["conversations"] == ["● Bob"], "it counts as read")
    app.quit()
    place.say("meanwhile 1")
    place.say("meanwhile 2")
    app = window()
    app.until(lambda: app.do("look")["conversations"] == ["● Bob  (2)"], "two are new")
    app.do("open", "Bob")
    app.until_shown("Bob: before", "Bob: meanwhile 1", "Bob: meanwhile 2")
    assert len(app.texts()) == 3


def test_message_written_during_a_network_failure_is_sent_afterwards(place: Place, window: Open):
    place.say("first")
    app = window()
    app.until(lambda: app.do("look")["conversations"], "the list is there")
    app.do("open", "Bob")
    app.until_shown("Bob: first")
    place.line.do("cut")
    app.until(lambda: app.do("look")["status"] != "Connected", "it says that it is offline")
    app.do("type", "second")
    app.until_shown("Bob: first", "You: second   (not sent yet)")
    assert place.heard() == []
    place.say("third")
    place.line.do("restore")
    app.until(lambda: place.heard() == ["second"], "it is sent")
    app.until(lambda: app.do("look")["status"] == "Connected", "it says that it is connected")
    app.until(lambda: sorted(app.texts()) == ["Bob: first", "Bob: third", "You: second"], "each is shown once")
    app.quit()


def test_hidden_app_disconnects_and_shows_missed_messages_once(place: Place, window: Open):
    place.say("first")
    app = window()
    app.until(lambda: app.do("look")["conversations"], "the list is there")
    app.do("open", "Bob")
    app.until_shown("Bob: first")
    app.do("minimise")
    app.until(lambda: place.sockets() == 0, "the socket is gone at the server")
    place.say("second")
    app.do("restore")
    app.until_shown("Bob: first", "Bob: second")
    app.until(lambda: place.sockets() == 1, "the socket is back at the server")
    assert len(app.texts()) == 2
    app.quit()


def test_refused_message_is_shown_as_failed_and_can_be_retried(place: Place, window: Open):
    place.say("first")
    app = window()
    app.until(lambda: app.do("look")["conversations"], "the list is there")
    app.do("open", "Bob")
    app.until_shown("Bob: first")
    place.bob.block_users(["alice"])
    app.do("type", "second")
    app.until_shown("You: second   (failed: double-click to send it again)")
    place.bob.unblock_users(["alice"])
    app.do("retry", "1")
    app.until_shown("Bob: first", "You: second")
    app.until(lambda: place.heard() == ["second"], "Bob has it, once")
    app.do("find", "nobody")
    app.until(lambda: "ERR_UID_NOT_FOUND" in app.do("look")["status"], "it says who is not there")
