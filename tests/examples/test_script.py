"""`examples/script.py` as its user runs it: asked, answered, started again, with a line that is cut, and stopped."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from blocking_example import ROOT, Example, Place, asked

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


def test_it_asks_and_prints_the_answer_and_at_the_next_start_what_came_meanwhile(place: Place, run):
    script = run("Are you there?")
    script.until(asked(place, "Are you there?"), "Bob is asked")
    place.say("Yes")
    assert script.ended() == 0
    assert script.lines == ["Alice: Are you there?", "Bob: Yes"]
    place.say("And you?")
    place.say("Hello?")
    script = run("Yes. Why?")
    script.until(asked(place, "Yes. Why?"), "Bob is asked again")
    place.say("Good")
    assert script.ended() == 0
    assert script.lines == ["Bob: And you?", "Bob: Hello?", "Alice: Yes. Why?", "Bob: Good"]
    script = run("So?", "--wait", "2")
    assert script.ended() == 1
    assert script.lines == ["Alice: So?", "No answer from bob within 2 s."]


def test_an_answer_that_came_while_the_line_was_cut_is_printed_once(place: Place, run):
    script = run("Still there?")
    script.until(asked(place, "Still there?"), "Bob is asked")
    script.until(lambda: place.sockets() == 1, "the script is connected")
    place.line.do("cut")
    script.until(lambda: place.sockets() == 0, "the line is cut")
    place.say("Yes, still")
    place.line.do("restore")
    assert script.ended() == 0
    assert script.lines == ["Alice: Still there?", "Bob: Yes, still"]


def test_a_question_without_a_line_is_said_to_be_unsent_and_goes_out_with_the_next_run(place: Place, run):
    assert run("First", "--wait", "2").ended() == 1
    place.line.do("cut")
    script = run("Second", "--wait", "2")
    assert script.ended() == 1
    assert script.lines[-1] == "Not sent yet: alice: Second"
    assert place.heard() == ["First"]
    place.line.do("restore")
    script = run("Third")
    script.until(asked(place, "Third"), "Bob is asked")
    assert place.heard() == ["First", "Second", "Third"]
    place.say("All three")
    assert script.ended() == 0
    assert script.lines == ["Alice: Third", "Bob: All three"]


def test_misuse_is_told(place: Place, run):
    script = run()
    assert script.ended() == 2
    assert "the following arguments are required: question" in script.lines[-1]
    script = Example(place, SCRIPT, "nobody", "Hello?")
    assert script.ended() == 1
    assert script.lines[0].startswith("ERR_UID_NOT_FOUND")
    script.close()


@pytest.mark.gui
@needs_a_terminal()
async def test_stopped_in_a_terminal_it_lets_go_of_its_socket_and_prints_what_came_once(place: Place):
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
