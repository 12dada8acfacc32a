"""What a developer reads when something fails: network errors, retried calls, and the log."""

from __future__ import annotations

import asyncio
import logging
import ssl
import traceback

import pytest

from harness import Actor, Stage
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, Group, MemorySessionStore
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io.failures import advice_for
from tailwire.sdk.retry import is_safe


async def error_at(host: str) -> CometChatException:
    settings = AppSettingsBuilder().override_client_host(host).build()
    async with ChatClient("app", settings, session_store=MemorySessionStore()) as chat:
        with pytest.raises(CometChatException) as caught:
            await chat.login("alice", auth_key="key")
    return caught.value


async def test_network_errors_say_what_is_wrong_and_what_to_do():
    async def answer_without_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer_without_tls, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    of_tls = await error_at(f"127.0.0.1:{port}")  # without a scheme: https
    server.close()
    await server.wait_closed()
    of_a_closed_port = await error_at(f"http://127.0.0.1:{port}")
    of_an_unknown_name = await error_at("http://nowhere.invalid")
    for error, cause, words, advice in (
        (of_tls, Cause.TLS_FAILED, "The TLS handshake with the server failed", "write http:// before the host"),
        (of_a_closed_port, Cause.CONNECTION_REFUSED, "Nothing listens at the server's address.", "tailwire serve"),
        (
            of_an_unknown_name,
            Cause.NAME_LOOKUP_FAILED,
            "The server's name was not found.",
            "Check how the host is written",
        ),
    ):
        assert (error.code, error.cause) == ("NO_INTERNET_CONNECTION", cause), error
        assert words in error.message
        assert advice in error.details
        printed = "".join(traceback.format_exception(error))
        assert "httpx" not in printed
        assert printed.count("\n") < 45, printed
    assert f"127.0.0.1:{port}" in of_a_closed_port.details


def test_advice_names_the_setting_for_a_certificate():
    advice = advice_for(Cause.CERTIFICATE_UNKNOWN_ISSUER, str(ssl.SSLCertVerificationError()), "https://localhost")
    assert "certificate_authority(FILE)" in advice


@pytest.mark.parametrize(
    ("call", "outage"),
    [
        ("edit", "lost answer"),
        ("get", "lost answer"),
        ("react", "lost answer"),
        ("list", "lost answer"),
        ("create", "nothing listens"),
        ("delete", "nothing listens"),
    ],
)
async def test_call_that_is_safe_to_repeat_or_was_not_sent_outlasts_a_short_outage(
    stage: Stage, call: str, outage: str
):
    alice = await stage.enter("alice")
    sent = await alice.say("bob", "hello")
    if outage == "nothing listens":
        await stage.server.stop()
    else:
        stage.network.drop()
        stage.network.refusing = True
    doing = asyncio.create_task(succeeds(alice, call, sent))
    await stage.pass_time(0.2)
    assert not doing.done()
    if outage == "nothing listens":
        await stage.server.start()
    else:
        stage.network.refusing = False
    assert await doing


async def succeeds(actor: Actor, call: str, sent) -> object:
    """Make a call, and return a true value if its result is the right one."""
    chat = actor.chat
    sent.text = "changed"
    if call == "edit":
        return (await chat.edit_message(sent)).text == "changed"
    if call == "get":
        return (await chat.get_message(sent.id)).id == sent.id
    if call == "react":
        return (await chat.add_reaction(sent.id, "x")).id == sent.id
    if call == "list":
        return [message async for message in chat.messages(uid="bob")]
    if call == "create":
        return await chat.create_group(Group("team", "Team"))
    return await chat.delete_message(sent.id)


@pytest.mark.parametrize(
    ("request_line", "safe"),
    [
        ("GET /messages", True),
        ("PUT /messages/5", True),
        ("PUT /me", True),
        ("POST /messages/5/reactions/%F0%9F%91%8D", True),
        ("DELETE /messages/5/pin", True),
        ("PUT /users/bob/conversation", True),
        ("DELETE /users/bob/conversation/read", True),
        ("POST /groups", False),
        ("POST /messages/5/flagged", False),
        ("DELETE /messages/5", False),
        ("DELETE /users/bob/conversation", False),
        ("POST /groups/team/members", False),
        ("DELETE /groups/team/members", False),
    ],
)
def test_requests_are_classified_as_safe_or_unsafe_to_repeat_after_a_lost_response(request_line: str, safe: bool):
    assert is_safe(*request_line.split(" ")) is safe


async def logged_lines(stage: Stage, caplog, secrets: set[str]) -> dict[int, list[str]]:
    """Let a client log in, receive, lose its connection, catch up and log out. Return what it logs, by level.

    Args:
        secrets: receives what must not be in the log.
    """
    caplog.set_level(logging.DEBUG, "tailwire")
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await alice.say("bob", "the text of a message")
    await bob.ears.until(lambda: bob.ears.texts == ["the text of a message"])
    stage.network.drop()
    await stage.pass_time(1)
    await bob.wait_connected()
    await alice.wait_connected()
    secrets |= {bob.chat._sessions.current.auth_token, stage.server.auth_key, "the text of a message"}
    await bob.chat.logout()
    lines: dict[int, list[str]] = {logging.INFO: [], logging.DEBUG: []}
    for record in caplog.records:
        if record.name == "tailwire":
            lines[record.levelno].append(record.getMessage())
    return lines


async def test_log_tells_of_login_connection_loss_catch_up_and_logout(stage: Stage, caplog):
    logged = (await logged_lines(stage, caplog, set()))[logging.INFO]
    for words in ("logged in as bob", "connected: for 0 s", "(the connection was reset)", "caught up (exact)"):
        assert any(words in line for line in logged), (words, logged)
    assert "logged out" in logged


async def test_log_of_requests_contains_no_keys_tokens_or_texts(stage: Stage, caplog):
    secrets: set[str] = set()
    lines = await logged_lines(stage, caplog, secrets)
    everything = "\n".join(lines[logging.INFO] + lines[logging.DEBUG])
    assert "POST /messages" in everything
    assert len(secrets) == 3
    for secret in secrets:
        assert secret not in everything
