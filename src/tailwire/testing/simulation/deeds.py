"""What the devices and the network do when a step of a plan says so."""

from __future__ import annotations

import asyncio
from typing import Any

from tailwire.testing.simulation import middles
from tailwire.testing.simulation.person import Person
from tailwire.testing.simulation.play import GROUP, Play, quietly
from tailwire.testing.virtual.world import virtual_loop
from tailwire.wire.entities import GroupMember, TextMessage


def _with_chat(work: Any) -> Any:
    def deed(play: Play, person: Person, value: Any) -> None:
        chat = person.chat
        if chat is not None and chat.get_logged_in_user() is not None:
            person.run(quietly(work(chat, value, person)))

    return deed


async def _read(chat: Any, _: Any, person: Person) -> None:
    if person.heard:
        message = TextMessage(receiver=person.uid, id=person.heard[-1].id)
        await chat.mark_as_read(message)


async def _react(chat: Any, _: Any, person: Person) -> None:
    if person.heard:
        await chat.add_reaction(person.heard[-1].id, "x")


async def _leave(chat: Any, _: Any, person: Person) -> None:
    await chat.leave_group(GROUP)


async def _join(chat: Any, _: Any, person: Person) -> None:
    await chat.join_group(GROUP)


def _by_owner(what: str) -> Any:
    async def work(chat: Any, uid: str, person: Person) -> None:
        if what == "add":
            await chat.add_members_to_group(GROUP, [GroupMember(uid)])
        else:
            await getattr(chat, f"{what}_group_member")(GROUP, uid)

    return _with_chat(work)


def _sync(method: str, value: str) -> Any:
    def deed(play: Play, person: Person, _: Any) -> None:
        if person.chat is not None:
            person.context.run(getattr(person.chat, method), value)

    return deed


def _set(name: str) -> Any:
    return lambda play, person, value: setattr(person, name, value if value is not None else not getattr(person, name))


def _go_offline(play: Play, person: Person, _: Any) -> None:
    network = virtual_loop().network
    network.offline.add(person.name)
    network.drop(person.name)


def _burst(play: Play, person: Person, count: int) -> None:
    for _ in range(count):
        play.say(person, GROUP, "group")


def _sleep(play: Play, person: Person, seconds: float) -> None:
    # The machine sleeps: its clock goes on, and what it was connected to has given it up or not.
    person.world.slept += seconds
    if play.chance.random() < 0.5:
        virtual_loop().network.half_open(person.name)


PERSON: dict[str, Any] = {
    "say": lambda play, person, to: play.say(person, to, "user"),
    "say group": lambda play, person, _: play.say(person, GROUP, "group"),
    "burst": _burst,
    "queue": lambda play, person, to: play.say(person, to, "user", queued=True),
    "edit": lambda play, person, _: play.change(person, delete=False),
    "delete": lambda play, person, _: play.change(person, delete=True),
    "read": _with_chat(_read),
    "react": _with_chat(_react),
    "type": _with_chat(lambda chat, _, person: chat.start_typing(GROUP, "group")),
    "leave": _with_chat(_leave),
    "join": _with_chat(_join),
    "kick": _by_owner("kick"),
    "ban": _by_owner("ban"),
    "unban": _by_owner("unban"),
    "add": _by_owner("add"),
    "connect": _with_chat(lambda chat, _, person: chat.connect()),
    "disconnect": _with_chat(lambda chat, _, person: chat.disconnect()),
    "ping": _with_chat(lambda chat, _, person: chat.ping()),
    "background": _sync("set_app_state", "background"),
    "foreground": _sync("set_app_state", "foreground"),
    "hint offline": _sync("set_network", "offline"),
    "hint online": _sync("set_network", "online"),
    "log out": lambda play, person, _: play.log_out(person),
    "log in": lambda play, person, _: person.run(person.log_in()),
    "close": lambda play, person, _: play._later.append(asyncio.ensure_future(person.close())),
    "kill": lambda play, person, _: person.kill(),
    "start": lambda play, person, _: person.start(),
    "sleep": _sleep,
    "clock": lambda play, person, seconds: setattr(person.world, "wall_offset", seconds),
    "raise": _set("raises"),
    "block": _set("blocks"),
    "drop": lambda play, person, _: virtual_loop().network.drop(person.name),
    "half open": lambda play, person, _: virtual_loop().network.half_open(person.name),
    "cut amid": lambda play, person, left: virtual_loop().network.cut_amid(person.name, left),
    "offline": _go_offline,
    "back": lambda play, person, _: virtual_loop().network.offline.discard(person.name),
    **middles.PERSON,
}  # fmt: skip


def _weather(name: str) -> Any:
    return lambda play, value: setattr(virtual_loop().network, name, value if value is not None else True)


NETWORK: dict[str, Any] = {
    "swallow": _weather("swallowing"),
    "refuse": _weather("refusing"),
    "nameless": _weather("nameless"),
    "untrusted": _weather("untrusted"),
    "slow accept": _weather("accept_delay"),
    "jitter": lambda play, most: setattr(
        virtual_loop().network, "jitter", lambda: play.chance.random() ** 3 * most
    ),
    "restore": lambda play, _: virtual_loop().network.restore(),
    "drop": lambda play, _: virtual_loop().network.drop(),
    "freeze": lambda play, seconds: virtual_loop().freeze(seconds),
    **middles.NETWORK,
}  # fmt: skip
