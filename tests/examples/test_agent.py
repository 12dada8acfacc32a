"""The example agent and the terminal program that talks to it, as processes with a real server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.shell import Shell, needs_a_terminal
from harness import Actor, LiveStage
from tailwire import DraftChanged, MessageListener, MessageReceived, TextMessage, User
from tailwire.testing import bot_test
from tailwire.testing.line.proxy import FaultProxy

EXAMPLES = Path(__file__).parents[2] / "examples"


CONNECTION = EXAMPLES.parent / "docs" / "connection.md"


class Program:
    """An example as a process, with its saved session in a folder."""

    def __init__(self, live: LiveStage, folder: Path, *command: str, url: str = "") -> None:
        self._command = [str(EXAMPLES / command[0]), *command[1:]]
        self.environment = {
            **os.environ,
            "APP_ID": live.server.app_id,
            "AUTH_KEY": live.server.auth_key,
            "CHAT_URL": url or live.server.url,
            "XDG_DATA_HOME": str(folder),
            "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",
            "PYTHONUNBUFFERED": "1",  # an app prints to a terminal
        }
        self.printed = ""

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, *self._command, env=self.environment, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read(self.process.stdout))

    async def _read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while data := await stream.read(4096):
            self.printed += data.decode()

    async def until(self, condition: Callable[[str], bool]) -> None:
        """Wait until the output satisfies a condition."""
        try:
            async with asyncio.timeout(30):
                while not condition(self.printed):
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(self.printed) from None

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    async def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, or close the input, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        elif self.process.stdin is not None:
            self.process.stdin.close()
        code = await self.process.wait()
        await self._reading
        return code

    async def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await self._reading


@asynccontextmanager
async def running(program: Program) -> AsyncIterator[Program]:
    """Start a program, and end it in any case."""
    await program.start()
    try:
        yield program
    finally:
        await program.close()


class Reader(MessageListener):
    """A user who records the agent's drafts."""

    def __init__(self) -> None:
        self.drafts: list[DraftChanged] = []
        self.answers: list[TextMessage] = []
        self._changed = asyncio.Condition()

    async def on_draft_changed(self, draft: DraftChanged) -> None:
        await self._record(self.drafts, draft)

    async def on_text_message_received(self, message: TextMessage) -> None:
        await self._record(self.answers, message)

    async def _record(self, heard, what) -> None:
        async with self._changed:
            heard.append(what)
            self._changed.notify_all()

    def growing(self, question: TextMessage) -> list[DraftChanged]:
        return [d for d in self.drafts if d.reply_to == question.id and not d.ended]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(condition)


async def a_reader(live: LiveStage, uid: str) -> tuple[Actor, Reader]:
    reader, actor = Reader(), await live.enter(uid, presence=True)
    actor.chat.add_message_listener("reader", reader)
    return actor, reader


@pytest.mark.slow
async def test_killed_agent_answers_once(live: LiveStage, tmp_path):
    alice, at_alice = await a_reader(live, "alice")
    carol, at_carol = await a_reader(live, "carol")
    agent = Program(live, tmp_path, "ai_agent.py")
    async with running(agent):
        await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
        first = await alice.say("bob", "What is a socket?")
        await at_alice.until(lambda: len(at_alice.answers) == 1)
        (answer,) = at_alice.answers
        grown = [d.text for d in at_alice.growing(first)]
        assert len(grown) > 2
        assert all(answer.text.startswith(text.strip()) for text in grown)
        assert at_alice.drafts[-1].ended
        assert "What is a socket?" in answer.text
        questions = [await alice.say("bob", "And a port?"), await carol.say("bob", "Who are you?")]
        await at_alice.until(lambda: bool(at_alice.growing(questions[0])))
        await at_carol.until(lambda: bool(at_carol.growing(questions[1])))
        await agent.end(signal.SIGKILL)
    assert (len(at_alice.answers), len(at_carol.answers)) == (1, 0)
    await carol.say("bob", "Are you there?")
    async with running(agent):
        await at_alice.until(lambda: len(at_alice.answers) == 2)
        await at_carol.until(lambda: len(at_carol.answers) == 2)
        assert "question number 2. The first one was: “What is a socket?”" in at_alice.answers[1].text
        assert await agent.end(signal.SIGTERM) == 0
    for actor, count in ((alice, 2), (carol, 2)):
        answers = [m.text async for m in actor.chat.messages(uid="bob") if m.sender.uid == "bob"]
        assert len(answers) == count
    assert set(agent.printed.splitlines()) == {
        f"bob is {status}; Ctrl+C ends it" for status in ("connecting", "connected")
    }


@pytest.mark.slow
async def test_answer_can_be_stopped_and_is_sent_after_a_network_failure(live: LiveStage, tmp_path):
    alice, reader = await a_reader(live, "alice")
    async with FaultProxy("127.0.0.1", live.server.port) as proxy:
        agent = Program(live, tmp_path, "ai_agent.py", url=proxy.url)
        async with running(agent):
            await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
            question = await alice.say("bob", "Tell me all about it")
            await reader.until(lambda: len(reader.growing(question)) > 1)
            await alice.chat.stop_draft(reader.drafts[-1])
            await reader.until(lambda: len(reader.answers) == 1)
            assert reader.answers[0].metadata["stopped"] is True
            assert "word by word" not in reader.answers[0].text
            question = await alice.say("bob", "Once more")
            await reader.until(lambda: bool(reader.growing(question)))
            proxy.cut()
            await alice.ears.until(lambda: alice.ears.all("offline") == ["bob"])
            assert len(reader.answers) == 1
            proxy.restore()
            await reader.until(lambda: len(reader.answers) == 2)
            assert reader.answers[1].text.endswith("“Tell me all about it”.")
            await alice.say("bob", "Is the line back?")
            await reader.until(lambda: len(reader.answers) == 3)
            assert await agent.end(signal.SIGTERM) == 0
    assert len(reader.answers) == 3


def test_new_command_starts_over_and_mentions_are_answered_in_groups(monkeypatch):
    monkeypatch.setenv("APP_ID", "app")
    monkeypatch.setenv("AUTH_KEY", "key")
    scope: dict[str, Any] = {"__name__": "ai_agent"}
    exec(compile((EXAMPLES / "ai_agent.py").read_text(), "ai_agent.py", "exec"), scope)
    with bot_test(scope["bot"]) as chat:
        chat.say("one")
        assert "number 2" in chat.say("two")[0]
        assert chat.say("/new") == []
        assert chat.reactions == ["👍"]
        assert "Ask me something else" in chat.say("three")[0]
        assert chat.say("hello all", group="team") == []
        (answer,) = chat.say("<@uid:bob> and you?", group="team")
        assert "and you?" in answer


@pytest.mark.slow
async def test_terminal_shows_and_stops_growing_answers(live: LiveStage, tmp_path):
    (tmp_path / "agent").mkdir()
    watcher, _ = await a_reader(live, "carol")
    agent, ask = Program(live, tmp_path / "agent", "ai_agent.py"), Program(live, tmp_path, "ask.py", "bob")
    async with running(agent), running(ask):
        await watcher.ears.until(lambda: {"alice", "bob"} <= set(watcher.ears.all("online")))
        ask.type("How are you?")
        await ask.until(lambda s: s.startswith("bob: You asked"))
        assert "what this was" not in ask.printed  # shown before it is complete
        await ask.until(lambda s: s.endswith("know what this was.\n"))
        assert ask.printed.count("You asked") == 1
        ask.type("Again")
        await ask.until(lambda s: s.count("You asked") == 2)
        ask.type("")
        await ask.until(lambda s: s.endswith("(stopped)\n"))
        assert await ask.end() == 0
        assert await agent.end(signal.SIGINT) == 0


@pytest.mark.slow
async def test_terminal_program_sends_messages_written_offline_later(live: LiveStage, tmp_path):
    bob = await live.enter("bob", presence=True)
    texts: list[str] = []

    async def say(text: str) -> None:
        texts.append(f"bob: {text}\n")
        await bob.say("alice", text)

    async with FaultProxy("127.0.0.1", live.server.port) as proxy:
        ask = Program(live, tmp_path, "ask.py", "bob", url=proxy.url)
        async with running(ask):
            await bob.ears.until(lambda: "alice" in bob.ears.all("online"))
            await say("before")
            await ask.until(lambda s: s == "".join(texts))
            proxy.cut()
            await bob.ears.until(lambda: bob.ears.all("offline") == ["alice"])
            await say("in the tunnel")
            ask.type("I am in a tunnel")
            await ask.until(lambda s: "  waiting to be sent (" in s)
            assert await ask.end() == 0
        notes, ask.printed = ask.printed, ""
        assert "".join(texts[:-1]) == "".join(line for line in notes.splitlines(True) if line.startswith("bob: "))
        proxy.restore()
        await say("while it is not running")
        async with running(ask):
            await ask.until(lambda s: "not running" in s)
            await bob.ears.until(lambda: bob.ears.texts == ["I am in a tunnel"])
            await say("and after")
            await ask.until(lambda s: "and after" in s)
            assert await ask.end(signal.SIGINT) == 0
        assert ask.printed.splitlines(True) == ["  waiting to be sent: I am in a tunnel\n", *texts[1:]]


@pytest.mark.slow
@pytest.mark.gui
@needs_a_terminal()
async def test_terminal_program_disconnects_on_ctrl_z_and_reconnects_with_fg(live: LiveStage, tmp_path):
    bob = await live.enter("bob", presence=True)
    program = Program(live, tmp_path, "ask.py", "bob")
    shell = Shell(program.environment)
    try:
        await shell.until_asked()
        shell.type(f"{sys.executable} {EXAMPLES / 'ask.py'} bob\n")
        await bob.ears.until(lambda: "alice" in bob.ears.all("online"))
        await bob.say("alice", "one")
        await shell.until_shown("bob: one")
        shell.type("\x1a")
        await shell.until_shown("Stopped")
        await bob.ears.until(lambda: bob.ears.all("offline") == ["alice"])
        await bob.say("alice", "two")
        shell.type("fg\n")
        await shell.until_shown("bob: two")
        await bob.say("alice", "three")
        await shell.until_shown("bob: three")
        assert [line for line in shell.text.splitlines() if line.startswith("bob: ")] == [
            "bob: one",
            "bob: two",
            "bob: three",
        ]
    finally:
        shell.close()


@pytest.mark.slow
async def test_documented_app_shows_missed_messages_once(live: LiveStage, tmp_path):
    (tmp_path / "app.py").write_text(
        CONNECTION.read_text().split("```python\n")[1].split("```")[0].replace("http://127.0.0.1:8480", live.server.url)
    )
    bob = await live.enter("bob", presence=True)
    app = Program(live, tmp_path, str(tmp_path / "app.py"))
    async with running(app):
        await bob.ears.until(lambda: bob.ears.texts == ["Hello, Bob"])
        await bob.say("alice", "Hello, Alice")
        await app.until(lambda s: s == "Bob: Hello, Alice\n")
        assert await app.end(signal.SIGINT) == 0
    await bob.say("alice", "Are you there?")
    async with running(app):
        await app.until(lambda s: s == "Bob: Hello, Alice\nBob: Are you there?\n")
        await bob.ears.until(lambda: bob.ears.texts == ["Hello, Bob"] * 2)
        assert await app.end(signal.SIGTERM) == 0


def test_terminal_program_prints_its_usage():
    done = subprocess.run([sys.executable, str(EXAMPLES / "ask.py")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, f"usage: {EXAMPLES / 'ask.py'} UID\n")


def test_growing_answer_is_printed_again_only_when_its_beginning_changed(capsys):
    scope: dict[str, Any] = {"__name__": "ask"}
    exec(compile((EXAMPLES / "ask.py").read_text(), "ask.py", "exec"), scope)
    conversation, bob = scope["Conversation"](None, "bob"), User("bob", "Bob")
    message = TextMessage(receiver="alice", text="It is blue.", sender=bob)
    for text in ("It ", "It seems", "It is "):
        conversation.show(DraftChanged("1.1", bob, "alice", "user", text, 0, 1, False))
    conversation.show(DraftChanged("2.1", bob, "team", "group", "not here", 0, 1, False))
    assert conversation.draft.text == "It is "
    conversation.show(DraftChanged("1.1", bob, "alice", "user", "It is ", 0, 1, True))
    conversation.show(MessageReceived(message))
    assert conversation.draft is None
    assert capsys.readouterr().out == "bob: It seems\nbob: It is blue.\n"
