"""The pytest plugin: a real server, users, a line with faults, a clock. See docs/testing.md.

pytest loads it wherever tailwire is installed; tailwire itself is imported when a test requests a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tailwire.sdk.app_settings import AppSettings
    from tailwire.testing.app_clock import AppClock
    from tailwire.testing.embedded import EmbeddedServer, TestUser
    from tailwire.testing.line.proxy import FaultProxy


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings `tailwire_server_scope` and `tailwire_server_settings`."""
    parser.addini(
        "tailwire_server_scope", "a fresh server for each: function (default), module or session", default="function"
    )
    parser.addini("tailwire_server_settings", "settings of the server, name = value", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Check `tailwire_server_scope`.

    Raises:
        pytest.UsageError: its value is not a scope of pytest's fixtures.
    """
    scope = config.getini("tailwire_server_scope")
    if scope not in ("function", "class", "module", "package", "session"):
        raise pytest.UsageError(f"tailwire_server_scope: use function, module or session, not {scope!r}")


def _scope(fixture_name: str, config: pytest.Config) -> Any:
    return config.getini("tailwire_server_scope")


class Line:
    """The line between the clients of a test and its server: a fault proxy, and two operations on the server.

    Attributes:
        url: the URL for clients to use, in place of the server's.
    """

    def __init__(self, server: EmbeddedServer, proxy: FaultProxy) -> None:
        self._server, self._proxy = server, proxy
        scheme, _, _ = server.url.partition("://")  # https if the settings of the server have a certificate
        self.url = f"{scheme}://127.0.0.1:{proxy.port}"

    def settings(self, **more: Any) -> AppSettings:
        """Return settings for a client that connects over this line.

        Args:
            more: further settings: the name of a method of `AppSettingsBuilder`, and its argument or a tuple of its
                arguments. `auto=False` selects manual mode.
        """
        from tailwire.sdk.app_settings import AppSettingsBuilder

        builder = AppSettingsBuilder().override_client_host(self.url)
        builder.auto_establish_socket_connection(more.pop("auto", True))
        for name, value in more.items():
            getattr(builder, name)(*(value if isinstance(value, tuple) else (value,)))
        return builder.build()

    def _do(self, action: Callable[[], None]) -> None:
        # The proxy belongs to the event loop in the thread of the server.
        async def work() -> None:
            action()

        self._server.call(work())

    def shape(
        self,
        *,
        rate: float | str = 0,
        up: float | str | None = None,
        down: float | str | None = None,
        queue: float = 0.2,
        latency: float = 0.0,
    ) -> None:
        """Limit the line that all connections share: `shape(rate="64kbit", queue=5)`; `shape()` removes all limits.

        Args:
            rate: the rate in both directions, in bytes per second or as text (`64kbit`, `2mbit`); 0 for no limit.
            up: the rate from the clients, if different.
            down: the rate to the clients, if different.
            queue: the size of the queue in each direction, in seconds of data at its rate.
            latency: seconds that data takes after the queue, each way.

        Raises:
            ValueError: a rate or a number of seconds is invalid.
        """
        from tailwire.testing.line.shape import Shape, read_rate

        upward, downward = (read_rate(str(rate if way is None else way)) for way in (up, down))
        shape = Shape(up=upward, down=downward, queue=queue, latency=latency)
        self._do(lambda: self._proxy.shape(shape))

    def drop(self) -> None:
        """Reset all open connections, and let clients connect again. Data in flight is lost."""
        self._do(self._proxy.drop)

    def cut(self) -> None:
        """Reset all connections and refuse new ones until `restore()`."""
        self._do(self._proxy.cut)

    def half_open(self, new: bool = True) -> None:
        """Keep connections open but deliver nothing on them until `restore()`, which resets them.

        Args:
            new: whether new connections deliver nothing either; False if they work.
        """
        self._do(lambda: self._proxy.half_open(new))

    def delay(self, seconds: float) -> None:
        """Until `restore()`, delay data by this many seconds each way, in addition to the latency of the shape."""
        self._do(lambda: setattr(self._proxy, "delay", seconds))

    def cut_mid_frame(self, after: int = 1) -> None:
        """Truncate the next text frame that the server sends to any client, and close its connection; once.

        Args:
            after: the number of bytes of the frame that are delivered.
        """
        self._do(lambda: self._proxy.cut_mid_frame(after))

    def refuse(self) -> None:
        """Until `restore()`, close new connections as soon as they are accepted; open ones stay."""
        self._do(self._proxy.refuse)

    def swallow(self) -> None:
        """Until `restore()`, leave attempts to connect unanswered, as if packets were lost; open connections stay."""
        self._do(self._proxy.swallow)

    def idle_kill(self, seconds: float) -> None:
        """Until `restore()`, reset connections that are idle for this many seconds."""
        self._do(lambda: self._proxy.idle_kill(seconds))

    def answer(self, status: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        """Until `restore()`, respond to every request in the server's place, as a captive portal does.

        Open connections are reset.

        Args:
            status: the HTTP status, 200 to 599.
            headers: the headers; `Content-Length` and `Connection: close` are added.
            body: the body, at most 1,000,000 bytes.

        Raises:
            ValueError: the status, a header or the body is invalid.
        """
        self._do(lambda: self._proxy.answer(status, headers, body))

    def refuse_websockets(self, status: int = 426) -> None:
        """Until `restore()`, respond to WebSocket upgrades with a status, and pass other requests to the server.

        Open connections are reset.

        Args:
            status: the HTTP status, 200 to 599.

        Raises:
            ValueError: the status is invalid.
        """
        self._do(lambda: self._proxy.refuse_websockets(status))

    def duplicate(self, frames: int = 1) -> None:
        """Deliver the next text frames of the server twice, to whichever client they go.

        Args:
            frames: the number of frames.
        """
        self._do(lambda: self._proxy.duplicate(frames))

    def revoke_tokens(self, uid: str) -> None:
        """Revoke all tokens of a user: their clients are rejected immediately and have to log in again."""
        self._server.revoke_tokens(uid)

    def restart_server(self) -> None:
        """Stop the server gracefully, and start it on the same port and data."""
        self._server.restart()

    def restore(self) -> None:
        """End all faults; the shape stays. Half-open connections are reset, and what was not delivered stays lost."""
        self._do(self._proxy.restore)

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return self._proxy.open

    @property
    def passed(self) -> tuple[int, int]:
        """Bytes that the line has carried since its start: from the clients, and to the clients."""
        return self._proxy.passed


@pytest.fixture(scope=_scope)
def tailwire_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[EmbeddedServer]:
    """A running server on a free port, with its own database (see `EmbeddedServer`); closed at the end.

    The settings `tailwire_server_scope` and `tailwire_server_settings` say how long it lives, and how it is configured.
    """
    from tailwire.server.config import load
    from tailwire.testing.embedded import EmbeddedServer

    lines = request.config.getini("tailwire_server_settings")
    config = {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}
    checked = load(config, {})
    server = EmbeddedServer(tmp_path_factory.mktemp("tailwire"), **{name: getattr(checked, name) for name in config})
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def tailwire_users(tailwire_server: EmbeddedServer) -> Callable[..., list[TestUser]]:
    """A function that creates users, given their uids: `alice, bob = tailwire_users("alice", "bob")`.

    It returns a list of `TestUser`, with `uid`, `name` and `token`. A user whom the server has already, as from an
    earlier test that shared it, gets a new token.
    """
    return lambda *uids: [tailwire_server.provide_user(uid) for uid in uids]


@pytest.fixture
def wire(tailwire_server: EmbeddedServer) -> Iterator[Line]:
    """A new line to `tailwire_server`, with faults on request (see `Line`)."""
    from tailwire.testing.line.proxy import FaultProxy

    proxy = FaultProxy("127.0.0.1", tailwire_server.port)
    tailwire_server.call(proxy.start())
    yield Line(tailwire_server, proxy)
    tailwire_server.call(proxy.close())


@pytest.fixture
def app_clock() -> AppClock:
    """A clock for clients that the test controls (see `AppClock`): `ChatClient(…, world=app_clock)`."""
    from tailwire.testing.app_clock import AppClock

    return AppClock()


def _fixture_of(name: str) -> Any:
    @pytest.fixture(name=name)
    def fixture() -> Any:
        from tailwire.testing import received

        return getattr(received, name)

    fixture.__doc__ = f"`tailwire.testing.received.{name}`."
    return fixture


assert_no_loss = _fixture_of("assert_no_loss")
assert_once = _fixture_of("assert_once")
assert_quiet = _fixture_of("assert_quiet")


@pytest.fixture
def received() -> Any:
    """The class `Received`: `received(chat)` records the messages and statuses that a client receives from then on."""
    from tailwire.testing.received import Received

    return Received
