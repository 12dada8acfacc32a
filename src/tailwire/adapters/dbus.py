"""Client of the D-Bus system bus, based on dbus-fast."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

from tailwire.extras import how_to_install

log = logging.getLogger("tailwire")
CONNECT_TIMEOUT_SECONDS = 5.0
RESPONSE_TIMEOUT_SECONDS = 5.0
_DAEMON = "org.freedesktop.DBus"  # the bus itself; no other connection can use this name as sender
_BUS = (_DAEMON, "/org/freedesktop/DBus", _DAEMON)
_RESPONSE_SIGNATURES = {"Get": "v", "Inhibit": "h", "NameHasOwner": "b", "GetNameOwner": "s"}
"""The expected D-Bus type signature of the response, by the name of the method."""
INSTALL = how_to_install("desktop")


class BusUnavailable(Exception):
    """The system bus, or a service on it, is missing or does not respond."""


class BusRefused(Exception):
    """A call over the bus was refused, or its destination does not exist.

    Attributes:
        name: the name of the error, such as `org.freedesktop.DBus.Error.ServiceUnknown`.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name


def is_installed() -> bool:
    """Return whether dbus-fast is installed, without importing it."""
    return find_spec("dbus_fast") is not None


class Bus:
    """A connection to the system bus."""

    def __init__(self, connection: Any, dbus: Any) -> None:
        self._connection = connection
        self._dbus = dbus
        self._owners: dict[str, str] = {}  # the unique connection name of each service that is listened to

    async def call(
        self, to: tuple[str, str, str], member: str, signature: str = "", body: Sequence[Any] = ()
    ) -> tuple[list[Any], list[int]]:
        """Call a D-Bus method, and wait up to `RESPONSE_TIMEOUT_SECONDS` for its response.

        Args:
            to: the destination (the name of a service), object path and interface.
            member: the name of the method.
            signature: the D-Bus type signature of the arguments.
            body: the arguments.

        Returns:
            The returned values, and the file descriptors that came with them. The caller must close these.

        Raises:
            BusRefused: the call returned an error, or a value of the wrong type.
            BusUnavailable: the call timed out, or the connection is lost.
        """
        destination, path, interface = to
        message = self._dbus.Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        try:
            async with asyncio.timeout(RESPONSE_TIMEOUT_SECONDS):
                answer = await self._connection.call(message)
        except (OSError, EOFError, TimeoutError) as e:
            raise BusUnavailable(f"{destination} does not respond: {e!r}") from e
        if answer.message_type is self._dbus.MessageType.ERROR:
            raise BusRefused(answer.error_name or "", str(answer.body[0]) if answer.body else "")
        if answer.signature != _RESPONSE_SIGNATURES.get(member, answer.signature):
            for descriptor in answer.unix_fds:
                os.close(descriptor)
            text = f"{destination} responded to {member} with the wrong signature {answer.signature!r}"
            raise BusRefused("org.freedesktop.DBus.Error.InvalidSignature", text)
        return list(answer.body), list(answer.unix_fds)

    async def listen(self, source: tuple[str, str, str], member: str, callback: Callable[[list[Any]], object]) -> None:
        """Subscribe to a signal of a service: call a function with the arguments of each, while the connection lasts.

        Any process can send any signal to this connection directly, whatever was subscribed to. So signals from another
        sender than the current owner of the service's name are ignored. Exceptions that a malformed signal causes in
        the function are logged.

        Args:
            source: the name of the service, the object path and the interface.
            member: the name of the signal.
            callback: called with the list of the signal's arguments.

        Raises:
            BusRefused: the bus refuses the subscription.
            BusUnavailable: the bus does not respond.
        """
        sender, path, interface = source

        def on_message(message: Any) -> None:
            is_signal = message.message_type is self._dbus.MessageType.SIGNAL
            if not is_signal or (message.path, message.interface, message.member) != (path, interface, member):
                return
            if not message.sender or message.sender != self._owner_of(sender):
                log.info("ignoring a signal %s.%s that was not sent by %s", interface, member, sender)
                return
            try:
                callback(list(message.body))
            except (TypeError, ValueError, LookupError, AttributeError) as e:
                log.info("ignoring a malformed signal %s.%s: %r", interface, member, e)

        if sender != _DAEMON:
            await self._follow_owner(sender)
        self._connection.add_message_handler(on_message)
        rule = f"type='signal',sender='{sender}',path='{path}',interface='{interface}',member='{member}'"
        await self.call(_BUS, "AddMatch", "s", [rule])

    def _owner_of(self, sender: str) -> str:
        return sender if sender == _DAEMON else self._owners.get(sender, "")

    async def _follow_owner(self, name: str) -> None:
        if name in self._owners:
            return

        def changed(body: list[Any]) -> None:
            if body[0] == name:
                self._owners[name] = body[2]

        await self.listen(_BUS, "NameOwnerChanged", changed)
        try:
            (owner,), _ = await self.call(_BUS, "GetNameOwner", "s", [name])
        except BusRefused:  # the service is not running
            owner = ""
        self._owners.setdefault(name, owner)  # a signal that arrived meanwhile is newer

    async def listen_for_owner(self, name: str, callback: Callable[[bool], object]) -> None:
        """Call a function with True whenever a service appears on the bus, and with False when it disappears.

        It is not called for the state at the time of the call; use `has` for that.

        Args:
            name: the well-known name of the service.
            callback: the function.

        Raises:
            BusRefused: the bus refuses the subscription.
            BusUnavailable: the bus does not respond.
        """

        def changed(body: list[Any]) -> None:
            if body[:1] == [name]:
                callback(bool(body[2]))

        await self.listen(_BUS, "NameOwnerChanged", changed)

    async def has(self, name: str) -> bool:
        """Return whether a service is on the bus.

        Args:
            name: the well-known name of the service.

        Raises:
            BusRefused: the bus refuses to answer.
            BusUnavailable: the bus does not respond.
        """
        (answer,), _ = await self.call(_BUS, "NameHasOwner", "s", [name])
        return bool(answer)

    async def wait_ended(self) -> None:
        """Wait until the connection is lost."""
        with suppress(OSError, EOFError):
            await self._connection.wait_for_disconnect()


@asynccontextmanager
async def system_bus() -> AsyncIterator[Bus]:
    """Connect to the D-Bus system bus, and disconnect at the end of the `async with` block.

    The address is that of the environment variable `DBUS_SYSTEM_BUS_ADDRESS`, or the default one.

    Raises:
        BusUnavailable: dbus-fast is not installed, or the bus cannot be reached within `CONNECT_TIMEOUT_SECONDS`.
    """
    if not is_installed():
        raise BusUnavailable(f"dbus-fast is not installed: {INSTALL}")
    dbus, aio = importlib.import_module("dbus_fast"), importlib.import_module("dbus_fast.aio")
    connection = None
    try:
        connection = aio.MessageBus(bus_type=dbus.BusType.SYSTEM, negotiate_unix_fd=True)
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            await connection.connect()
    except (OSError, EOFError, TimeoutError, dbus.AuthError, dbus.InvalidAddressError) as e:
        raise BusUnavailable(f"the system bus cannot be reached: {e!r}") from e
    try:
        yield Bus(connection, dbus)
    finally:
        connection.disconnect()
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(1.0):
                await connection.wait_for_disconnect()
