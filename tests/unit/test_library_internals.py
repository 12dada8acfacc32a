"""Names of uvicorn and websockets that the server uses beyond their documented interfaces.

Neither library promises to keep them. When a new version lacks one, or changes its parameters, a test names it, and
the module of ours that has to be adapted.
"""

from __future__ import annotations

import ast
import asyncio
import importlib.metadata
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState
from websockets.frames import Frame
from websockets.server import ServerProtocol

SERVER = Path(__file__).parents[2] / "src" / "tailwire" / "server"
HTTP, WHOLE, APP, SOCKETS = "rest/protocol.py", "rest/whole_responses.py", "app/http_server.py", "gateway/protocol.py"

PARAMETERS: Mapping[tuple[str, type], Mapping[str, str]] = {
    (HTTP, HttpToolsProtocol): {
        "__init__": "self config server_state app_state _loop",
        "connection_made": "self transport",
        "connection_lost": "self exc",
        "data_received": "self data",
        "handle_websocket_upgrade": "self",
        "on_message_begin": "self",
        "on_headers_complete": "self",
        "on_body": "self body",
        "on_response_complete": "self",
    },
    (HTTP, FlowControl): {"__init__": "self transport", "pause_reading": "self", "resume_reading": "self"},
    (APP, uvicorn.Server): {
        "__init__": "self config",
        "capture_signals": "self",
        "handle_exit": "self sig frame",
        "on_tick": "self counter",
        "serve": "self sockets",
        "shutdown": "self sockets",
        "startup": "self sockets",
    },
    (SOCKETS, ServerProtocol): {
        "accept": "self request",
        "close_expected": "self",
        "data_to_send": "self",
        "events_received": "self",
        "receive_data": "self data",
        "receive_eof": "self",
        "reject": "self status text",
        "send_close": "self code reason",
        "send_ping": "self data",
        "send_response": "self response",
    },
    ("fanout/frames.py", Frame): {"serialize": "self mask extensions"},
}
ATTRIBUTES: Mapping[tuple[str, str], str] = {
    (HTTP, "HttpToolsProtocol"): (
        "app_state client config connections cycle flow headers loop parser pipeline scope server_state transport url "
        "ws_protocol_class"
    ),
    (HTTP, "FlowControl"): "read_paused",
    (HTTP, "RequestResponseCycle"): "disconnected message_event more_body response_complete response_started",
    (WHOLE, "FlowControl"): "write_paused",
    (WHOLE, "RequestResponseCycle"): (
        "default_headers disconnected flow keep_alive message_event on_response response_complete response_started "
        "scope transport waiting_for_100_continue"
    ),
    (APP, "Server"): "config server_state servers lifespan should_exit",
    (APP, "ServerState"): "connections",
    (APP, "Config"): "http_protocol_class ssl",
    (SOCKETS, "ServerProtocol"): "close_rcvd close_rcvd_then_sent close_sent eof_sent parser parser_exc state",
}
LIBRARIES = {"ServerProtocol": "websockets", "Frame": "websockets"}
# The scope of a request, which `HttpProtocol` reads and changes before the application sees it.
SCOPE_KEYS = {"client", "headers", "method", "scheme"}
OTHER_MEANINGS = {"discard"}  # also a method of sets


class Transport(asyncio.Transport):
    """A transport that discards what is written."""

    def write(self, data: Any) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def is_closing(self) -> bool:
        return False

    def close(self) -> None: ...


async def _application(scope: Any, receive: Any, send: Any) -> None:
    await receive()


def _sentence(module: str, owner: str, what: str) -> str:
    library = LIBRARIES.get(owner, "uvicorn")
    return f"{library} {importlib.metadata.version(library)}: {what}; adapt src/tailwire/server/{module}"


def _wrong_parameters() -> Iterator[str]:
    for (module, owner), methods in PARAMETERS.items():
        for name, expected in methods.items():
            method = getattr(owner, name, None)
            if method is None:
                yield _sentence(module, owner.__name__, f"{owner.__name__}.{name}() is missing")
            elif (found := " ".join(inspect.signature(method).parameters)) != expected:
                changed = f"{owner.__name__}.{name}() has the parameters ({found}), not ({expected})"
                yield _sentence(module, owner.__name__, changed)


async def _objects() -> dict[str, Any]:
    # Real objects, since most of these names are attributes of instances.
    config = uvicorn.Config(_application, interface="asgi3", lifespan="off", log_config=None, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup([])
    protocol = HttpToolsProtocol(config, ServerState(), {})
    protocol.connection_made(Transport())
    protocol.data_received(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n")
    for task in protocol.tasks:
        task.cancel()
    return {
        "HttpToolsProtocol": protocol,
        "FlowControl": protocol.flow,
        "RequestResponseCycle": protocol.cycle,
        "Server": server,
        "ServerState": server.server_state,
        "Config": config,
        "ServerProtocol": ServerProtocol(),
    }


def _missing_attributes(objects: Mapping[str, Any]) -> Iterator[str]:
    for (module, owner), names in ATTRIBUTES.items():
        for name in names.split():
            if not hasattr(objects[owner], name):
                yield _sentence(module, owner, f"{owner}.{name} is missing")
    for key in sorted(SCOPE_KEYS - set(objects["HttpToolsProtocol"].scope)):
        yield _sentence(HTTP, "HttpToolsProtocol", f"HttpToolsProtocol.scope has no {key!r}")


def problems() -> list[str]:
    """Return one sentence for each name that is missing or has other parameters."""
    return list(_wrong_parameters()) or list(_missing_attributes(asyncio.run(_objects())))


def test_installed_uvicorn_and_websockets_have_every_listed_name():
    assert problems() == []


def test_uvicorn_calls_the_methods_that_are_overridden():
    calls = "handle_websocket_upgrade on_response_complete"
    source = inspect.getsource(HttpToolsProtocol)
    assert [name for name in calls.split() if f"self.{name}" not in source] == []
    assert "connection.shutdown()" in inspect.getsource(uvicorn.Server.shutdown)
    assert "self.capture_signals()" in inspect.getsource(uvicorn.Server.serve)


def test_parser_of_websockets_is_a_generator():
    assert inspect.isgenerator(ServerProtocol().parser)


def test_every_name_that_is_used_is_listed():
    listed: dict[str, set[str]] = {}
    for (module, _), names in ATTRIBUTES.items():
        listed.setdefault(module, set()).update(names.split())
    for (module, _), methods in PARAMETERS.items():
        listed.setdefault(module, set()).update(methods)
    objects = asyncio.run(_objects())
    for module, owner in ATTRIBUTES:
        if owner in ("Config", "ServerState"):  # documented, and one set of connections
            continue
        value = objects[owner]
        tree = ast.parse((SERVER / module).read_text(encoding="utf-8"))
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        used |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        theirs = {name for name in dir(value) if not hasattr(asyncio.Protocol, name)}
        assert used & theirs - listed[module] - OTHER_MEANINGS == set(), f"{module} uses more of {owner}"


@pytest.mark.parametrize(
    ("owner", "name", "found"),
    [
        (HttpToolsProtocol, "on_response_complete", "uvicorn .*: HttpToolsProtocol.on_response_complete.. is missing"),
        (FlowControl, "resume_reading", "adapt src/tailwire/server/rest/protocol.py"),
        (uvicorn.Server, "capture_signals", "adapt src/tailwire/server/app/http_server.py"),
        (ServerProtocol, "events_received", "websockets .*: ServerProtocol.events_received.. is missing"),
    ],
)
def test_missing_method_is_named(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, found: str):
    home = next(c for c in owner.__mro__ if name in vars(c))
    monkeypatch.delattr(home, name)
    (problem,) = problems()
    assert re.search(found, problem)


def test_changed_parameters_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(uvicorn.Server, "on_tick", lambda self: None)
    (problem,) = problems()
    assert "Server.on_tick() has the parameters (self), not (self counter)" in problem


@pytest.mark.parametrize("name", ["pipeline", "cycle", "flow"])
def test_missing_attribute_is_named(name: str):
    objects = asyncio.run(_objects())
    delattr(objects["HttpToolsProtocol"], name)
    (problem,) = _missing_attributes(objects)
    assert f"HttpToolsProtocol.{name} is missing" in problem


def test_missing_attribute_of_websockets_is_named():
    objects = asyncio.run(_objects())
    del objects["ServerProtocol"].parser_exc
    (problem,) = _missing_attributes(objects)
    assert "ServerProtocol.parser_exc is missing; adapt src/tailwire/server/gateway/protocol.py" in problem


def test_missing_attribute_of_a_request_is_named():
    objects = asyncio.run(_objects())
    assert isinstance(objects["RequestResponseCycle"], RequestResponseCycle)
    del objects["RequestResponseCycle"].more_body
    (problem,) = _missing_attributes(objects)
    assert "RequestResponseCycle.more_body is missing" in problem
