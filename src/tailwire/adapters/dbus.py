"""The system bus of a Linux desktop, over dbus-fast: connected for as long as a watch needs it."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from typing import Any

log = logging.getLogger("tailwire")
CONNECT_WITHIN = 5.0
ANSWER_WITHIN = 5.0
_DAEMON = "org.freedesktop.DBus"  # the bus itself: its messages have this sender, and nobody else can
_BUS = (_DAEMON, "/org/freedesktop/DBus", _DAEMON)
_ANSWERS = {"Get": "v", "Inhibit": "h", "NameHasOwner": "b", "GetNameOwner": "s"}
"""By method, the signature of its answer."""
INSTALL = 'pip install "tailwire[desktop]"'


class NoBus(Exception):
    """There is no system bus here, or it does not answer."""


class BusRefused(Exception):
    """What was asked over the bus was refused, or nobody is there who could answer.

    Attributes:
        name: of the error, such as `org.freedesktop.DBus.Error.ServiceUnknown`.
    """

    def __init__(self, name: str, said: str) -> None:
        super().__init__(f"{name}: {said}")
        self.name = name


def is_installed() -> bool:
    """Return whether dbus-fast is installed. Imports nothing."""
    return find_spec("dbus_fast") is not None


class Bus:
    """A connection to the system bus."""

    def __init__(self, connection: Any, dbus: Any) -> None:
        self._connection = connection
        self._dbus = dbus
        self._owners: dict[str, str] = {}  # of the services that are listened to, by name, the connection of each

    async def call(
        self, to: tuple[str, str, str], member: str, signature: str = "", body: Sequence[Any] = ()
    ) -> tuple[list[Any], list[int]]:
        """Call a method.

        Args:
            to: destination, path and interface.
            member: the method.
            signature: of the arguments.
            body: the arguments.

        Returns:
            What it answers, and the file descriptors that came with it: they are the caller's to close.

        Raises:
            BusRefused: the answer is an error, or of another kind than this method's.
            NoBus: no answer came, or the connection is lost.
        """
        destination, path, interface = to
        message = self._dbus.Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = await self._connection.call(message)
        except (OSError, EOFError, TimeoutError) as e:
            raise NoBus(f"{destination} does not answer: {e!r}") from e
        if answer.message_type is self._dbus.MessageType.ERROR:
            raise BusRefused(answer.error_name or "", str(answer.body[0]) if answer.body else "")
        if answer.signature != _ANSWERS.get(member, answer.signature):
            for descriptor in answer.unix_fds:
                os.close(descriptor)
            said = f"{destination} answers {member} with {answer.signature!r}, which makes no sense"
            raise BusRefused("org.freedesktop.DBus.Error.InvalidSignature", said)
        return list(answer.body), list(answer.unix_fds)

    async def listen(self, source: tuple[str, str, str], member: str, told: Callable[[list[Any]], object]) -> None:
        """Have a function called with the arguments of each signal of one kind, from the owner of the sender's name.

        Anybody on the bus can send any signal straight to this connection, past the rule: so each is held against who
        owns the name now. What makes no sense to the function is left out.

        Args:
            source: sender, path and interface.
            member: the signal.
            told: the function.

        Raises:
            BusRefused, NoBus: the bus does not pass it on.
        """
        sender, path, interface = source

        def came(message: Any) -> None:
            is_signal = message.message_type is self._dbus.MessageType.SIGNAL
            if not is_signal or (message.path, message.interface, message.member) != (path, interface, member):
                return
            if not message.sender or message.sender != self._owner_of(sender):
                log.info("a signal %s.%s that %s did not send is ignored", interface, member, sender)
                return
            try:
                told(list(message.body))
            except (TypeError, ValueError, LookupError, AttributeError) as e:
                log.info("a signal %s.%s makes no sense: %r", interface, member, e)

        if sender != _DAEMON:
            await self._follow(sender)
        self._connection.add_message_handler(came)
        rule = f"type='signal',sender='{sender}',path='{path}',interface='{interface}',member='{member}'"
        await self.call(_BUS, "AddMatch", "s", [rule])

    def _owner_of(self, sender: str) -> str:
        return sender if sender == _DAEMON else self._owners.get(sender, "")

    async def _follow(self, name: str) -> None:
        if name in self._owners:
            return

        def changed(body: list[Any]) -> None:
            if body[0] == name:
                self._owners[name] = body[2]

        await self.listen(_BUS, "NameOwnerChanged", changed)
        try:
            (owner,), _ = await self.call(_BUS, "GetNameOwner", "s", [name])
        except BusRefused:  # nobody is there
            owner = ""
        self._owners.setdefault(name, owner)  # a change that came meanwhile is newer

    async def listen_for_owner(self, name: str, told: Callable[[bool], object]) -> None:
        """Have a function called when a service comes (True) or goes (False).

        Raises:
            BusRefused, NoBus: the bus does not pass it on.
        """

        def changed(body: list[Any]) -> None:
            if body[:1] == [name]:
                told(bool(body[2]))

        await self.listen(_BUS, "NameOwnerChanged", changed)

    async def has(self, name: str) -> bool:
        """Return whether a service is there.

        Raises:
            NoBus: the bus does not answer.
        """
        (answer,), _ = await self.call(_BUS, "NameHasOwner", "s", [name])
        return bool(answer)

    async def ended(self) -> None:
        """Wait until the connection is lost."""
        with suppress(OSError, EOFError):
            await self._connection.wait_for_disconnect()


@asynccontextmanager
async def system_bus() -> AsyncIterator[Bus]:
    """Connect to the system bus (`DBUS_SYSTEM_BUS_ADDRESS`, or the usual one), for as long as the block runs.

    Raises:
        NoBus: dbus-fast is not installed, or no bus is there.
    """
    if not is_installed():
        raise NoBus(f"dbus-fast is not installed: {INSTALL}")
    dbus, aio = importlib.import_module("dbus_fast"), importlib.import_module("dbus_fast.aio")
    connection = None
    try:
        connection = aio.MessageBus(bus_type=dbus.BusType.SYSTEM, negotiate_unix_fd=True)
        async with asyncio.timeout(CONNECT_WITHIN):
            await connection.connect()
    except (OSError, EOFError, TimeoutError, dbus.AuthError, dbus.InvalidAddressError) as e:
        raise NoBus(f"the system bus cannot be reached: {e!r}") from e
    try:
        yield Bus(connection, dbus)
    finally:
        connection.disconnect()
        with suppress(OSError, EOFError, TimeoutError):
            async with asyncio.timeout(1.0):
                await connection.wait_for_disconnect()
