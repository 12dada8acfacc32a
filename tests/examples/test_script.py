"""`examples/script.py` as a process: answers, restarts, network failures, suspension."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blocking_example import ROOT, Example, Place, has_received

from adapters.shell import Shell, needs_a_terminal

SCRIPT = ROOT / "examples" / "script.py"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.fixture
def run(place: Place) -> Iterator[Callable[..., Example]]:
    running: list[Example] = []

    def begin(*arguments: str) -> Example:
        running.append(Example(place, SCRIPT, "bob", *arguments))
        return running[-1]

    yield begin
    for script in running:
        script.close()


def test_script_prints_the_answer_and_missed_messages(place: Place, run):
    script = run("Are you there?")
    script.until(has_received(place, "Are you there?"), "Bob is asked")
    place.say("Yes")
    assert script.ended() == 0
    assert script.lines == ["Alice: Are you there?", "Bob: Yes"]
    place.say("And you?")
    place.say("Hello?")
    script = run("Yes. Why?")
    script.until(has_received(place, "Yes. Why?"), "Bob is asked again")
    place.say("Good")
    assert script.ended() == 0
    assert script.lines == ["Bob: And you?", "Bob: Hello?", "Alice: Yes. Why?", "Bob: Good"]
    script = run("So?", "--wait", "2")
    assert script.ended() == 1
    assert script.lines == ["Alice: So?", "No answer from bob within 2 s."]


def test_answer_during_network_failure_is_printed_once(place: Place, run):
    script = run("Still there?")
    script.until(has_received(place, "Still there?"), "Bob is asked")
    script.until(lambda: place.sockets() == 1, "the script is connected")
    place.line.do("cut")
    script.until(lambda: place.sockets() == 0, "the line is cut")
    place.say("Yes, still")
    place.line.do("restore")
    assert script.ended() == 0
    assert script.lines == ["Alice: Still there?", "Bob: Yes, still"]


def test_offline_question_is_sent_at_the_next_run(place: Place, run):
    assert run("First", "--wait", "2").ended() == 1
    place.line.do("cut")
    script = run("Second", "--wait", "2")
    assert script.ended() == 1
    assert script.lines[-1] == "Not sent yet: alice: Second"
    assert place.heard() == ["First"]
    place.line.do("restore")
    script = run("Third")
    script.until(has_received(place, "Third"), "Bob is asked")
    assert place.heard() == ["First", "Second", "Third"]
    place.say("All three")
    assert script.ended() == 0
    assert script.lines == ["Alice: Third", "Bob: All three"]


def test_usage_errors_are_printed(place: Place, run):
    script = run()
    assert script.ended() == 2
    assert "the following arguments are required: question" in script.lines[-1]
    script = Example(place, SCRIPT, "nobody", "Hello?")
    assert script.ended() == 1
    assert script.lines[0].startswith("ERR_UID_NOT_FOUND")
    script.close()


@pytest.mark.gui
@needs_a_terminal()
async def test_suspended_script_disconnects_and_prints_missed_messages_once(place: Place):
    shell = Shell(place.environment())
    try:
        await shell.until_asked()
        shell.type(f"{sys.executable} {shlex.quote(str(SCRIPT))} bob Hello\n")
        await shell.until_shown("Alice: Hello")
        await shell.until(lambda: place.sockets() == 1, "connected")
        shell.type("\x1a")
        await shell.until_shown("Stopped")
        await shell.until(lambda: place.sockets() == 0, "disconnected")
        place.say("Good morning")
        shell.type("fg\n")
        await shell.until_shown("Bob: Good morning")
        await shell.until_asked()
        assert shell.text.count("Bob: Good morning") == 1
    finally:
        shell.close()
