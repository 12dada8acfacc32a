"""`tailwire doctor` with settings of a server that are unusual or invalid."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tailwire.cli import doctor
from tailwire.cli.main import main


class ServerAtTheDoctor:
    """A server whose settings are given, and that accepts each WebSocket.

    Attributes:
        url: its URL.
        settings: what it answers to `GET /settings`.
        opened: the addresses of the WebSockets that were opened.
    """

    def __init__(self, listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.settings: Any = {}
        self.opened: list[str] = []
        server = self

        class Wire:
            async def close(self, code: int) -> None:
                pass

        async def ask(http: object, method: str, path: str) -> Any:
            return server.settings

        async def open_wire(world: object, address: str, *more: object) -> Wire:
            server.opened.append(address)
            return Wire()

        monkeypatch.setattr(doctor.Http, "ask", ask)
        monkeypatch.setattr(doctor.World, "open_wire", open_wire)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerAtTheDoctor]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield ServerAtTheDoctor(listening, monkeypatch)


def test_web_socket_at_an_ipv6_address_has_brackets(server: ServerAtTheDoctor, capsys):
    server.settings = {"CHAT_HOST": "2001:db8::1", "CHAT_WS_PORT": 80}
    assert main(["doctor", server.url]) == 0
    assert server.opened == ["ws://[2001:db8::1]:80/"]
    assert "WebSocket at [2001:db8::1]:80" in capsys.readouterr().out


@pytest.mark.parametrize("settings", [{}, {"CHAT_HOST": "chat.test", "CHAT_WS_PORT": "http"}, [], None])
def test_invalid_settings_are_reported_without_a_traceback(server: ServerAtTheDoctor, settings, capsys):
    server.settings = settings
    assert main(["doctor", server.url]) == 1
    assert "failed  settings: the server sent an invalid response" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--app-id", "--auth-key", "--ca"])
def test_options_for_a_server_are_refused_for_a_bucket(option: str, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("TAILWIRE_S3_ENDPOINT", "http://127.0.0.1:9")  # no bucket of others is asked
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "s3://bucket/prefix", option, "x"])
    assert ended.value.code == 2
    assert f"leave out {option}: a bucket is tested as the server's settings say" in capsys.readouterr().err
