"""What a device's line, portals and proxies do when a step of a plan says so (see `simulation.networks`)."""

from __future__ import annotations

import asyncio
from typing import Any

from tailwire.sdk.calls.uploads import UploadFile
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.testing.simulation.oracle import require
from tailwire.testing.simulation.person import Person
from tailwire.testing.simulation.play import GROUP, Play, quietly
from tailwire.testing.simulation.steps import USERS
from tailwire.testing.virtual.middle import busy, gateway, portal, refusing
from tailwire.testing.virtual.world import virtual_loop

NAME = "server"
LIVE, OTHER = "192.0.2.1", "2001:db8::1"


def _line(play: Play, person: Person, value: Any) -> None:
    up, down, queue, latency = value
    virtual_loop().network.set_line(person.name, up, down, queue, latency)


def _portal(play: Play, person: Person, value: Any) -> None:
    kind, existing = value
    network = virtual_loop().network
    network.middles[person.name] = portal(kind)
    if existing == "swallow":
        network.half_open(person.name)
    else:
        network.drop(person.name)


def _proxy(play: Play, person: Person, value: Any) -> None:
    kind, *more = value
    network = virtual_loop().network
    network.lift_proxies(person.name)
    if kind == "refuse":
        network.middles[person.name] = refusing(*more)
    elif kind == "gateway":
        network.middles[person.name] = gateway(more[0])
        network.drop(person.name)  # from now on requests go through it
    elif kind == "busy":
        network.middles[person.name] = busy()
        network.drop(person.name)  # it was started anew
    elif kind == "hold":
        network.holding[person.name] = more[0]
    else:
        network.kill_idle(person.name, more[0], silently=more[1])


def _lift(play: Play, person: Person, _: Any) -> None:
    virtual_loop().network.lift_proxies(person.name)


def _upload(play: Play, person: Person, size: int) -> None:
    chat = person.chat
    if chat is None or chat.get_logged_in_user() is None:
        return
    file = UploadFile(content=bytes(size), name="photo.bin")
    receiver = next(uid for uid in USERS if uid != person.uid)
    person.run(quietly(chat.upload_attachments(receiver, "user", [file])))


def _chatter(play: Play, person: Person, value: Any) -> None:
    lasts, every = value

    async def work() -> None:
        end = virtual_loop().time() + lasts
        while virtual_loop().time() < end:
            play.say(person, GROUP, "group")
            await asyncio.sleep(every)

    person.run(work())


def _letter(play: Play, person: Person, count: int) -> None:
    # Long texts: what is missed of them fills a slow line.
    for _ in range(count):
        play.say(person, GROUP, "group", more=" and so on" * 20)


def _must_be_connected(play: Play, person: Person, _: Any) -> None:
    status = person.chat.get_connection_status() if person.chat is not None else None
    require(status == ConnectionStatus.CONNECTED, f"soon: {person.name} is {status}, and nothing keeps it away")


def _must_have_heard_all(play: Play, person: Person, _: Any) -> None:
    mine = {s.id for s in play.sends.values() if s.id and s.place.startswith((f"{person.uid} ", f"{GROUP} "))}
    missing = mine - {heard.id for heard in person.heard} - {s.id for s in play.sends.values() if s.by == person.name}
    require(not missing, f"soon: {person.name} has not heard {sorted(missing)} yet")


PERSON: dict[str, Any] = {
    "line": _line,
    "line off": lambda play, person, _: virtual_loop().network.lift_line(person.name),
    "portal": _portal,
    "portal off": _lift,
    "proxy": _proxy,
    "proxy off": _lift,
    "upload": _upload,
    "chatter": _chatter,
    "letters": _letter,
    "must be connected": _must_be_connected,
    "must have heard all": _must_have_heard_all,
}


def _names(play: Play, first: str) -> None:
    # The first address of the name is no good; the second is the server's.
    names = virtual_loop().network.names
    names.addresses[NAME] = [OTHER, LIVE]
    (names.dead if first == "dead" else names.refused).add(OTHER)


NETWORK: dict[str, Any] = {
    "names": _names,
    "move": lambda play, address: virtual_loop().network.move(NAME, address),
}
