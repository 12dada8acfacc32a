"""Handlers of the steps of a plan, for devices and the network."""

from __future__ import annotations

import asyncio
from typing import Any

from tailwire.testing.simulation import content_steps, network_steps
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.second_process import SecondProcess
from tailwire.testing.simulation.simulation import GROUP, Simulation, ignore_errors
from tailwire.testing.virtual.world import virtual_loop
from tailwire.wire.entities import GroupMember, TextMessage


def _with_chat(work: Any) -> Any:
    def handle(sim: Simulation, device: Device, value: Any) -> None:
        chat = device.chat
        if chat is not None and chat.get_logged_in_user() is not None:
            device.run(ignore_errors(work(chat, value, device)))

    return handle


async def _read(chat: Any, _: Any, device: Device) -> None:
    if device.received:
        message = TextMessage(receiver=device.uid, id=device.received[-1].id)
        await chat.mark_as_read(message)


def _wanted(kind: str, method: str, *values: Any, wanted: bool) -> Any:
    # Return a handler that sets something on the message that the device received last, or undoes that.
    def handle(sim: Simulation, device: Device, _: Any) -> None:
        chat = device.chat
        if chat is not None and chat.get_logged_in_user() is not None and device.received:
            number = device.received[-1].id
            work = getattr(chat, method)(number, *values)
            if method == "unsave_message":
                device.unsaved[number].append(virtual_loop().time())
            device.run(ignore_errors(sim.intents.record(kind, device.uid, number, wanted, work)))

    return handle


def _on_last(method: str, *values: Any) -> Any:
    # A call on the last message that the device has received.
    async def work(chat: Any, _: Any, device: Device) -> None:
        if device.received:
            await getattr(chat, method)(device.received[-1].id, *values)

    return _with_chat(work)


async def _read_group(chat: Any, _: Any, device: Device) -> None:
    received = [one.id for one in device.received if one.conversation == f"group_{GROUP}"]
    if received:
        await chat.mark_as_read(TextMessage(receiver=GROUP, receiver_type="group", id=received[-1]))


async def _unread(chat: Any, _: Any, device: Device) -> None:
    received = [one.id for one in device.received if one.conversation.count("_user_")]
    if received:
        await chat.mark_message_as_unread(await chat.get_message(received[-1]))


def _reply(sim: Simulation, device: Device, _: Any) -> None:
    # Reply in the thread of the last message that the device has received. The message may be gone, or the group left.
    if not device.received:
        return
    last = device.received[-1]
    if last.conversation == f"group_{GROUP}":
        sim.send_text(device, GROUP, "group", parent=last.parent or last.id)
        return
    other = next(uid for uid in last.conversation.split("_user_") if uid != device.uid)
    sim.send_text(device, other, "user", parent=last.parent or last.id)


async def _leave(chat: Any, _: Any, device: Device) -> None:
    await chat.leave_group(GROUP)


async def _join(chat: Any, _: Any, device: Device) -> None:
    await chat.join_group(GROUP)


def _by_owner(what: str) -> Any:
    async def work(chat: Any, uid: str, device: Device) -> None:
        if what == "add":
            await chat.add_members_to_group(GROUP, [GroupMember(uid)])
        else:
            await getattr(chat, f"{what}_group_member")(GROUP, uid)

    return _with_chat(work)


async def _change_scope(chat: Any, value: list[str], device: Device) -> None:
    await chat.update_group_member_scope(GROUP, *value)


async def _transfer(chat: Any, uid: str, device: Device) -> None:
    await chat.transfer_group_ownership(GROUP, uid)


def _disband(sim: Simulation, device: Device, _: Any) -> None:
    # Delete the group, if the user owns it; then the backend makes it again.
    chat = device.chat
    if chat is not None and chat.get_logged_in_user() is not None:
        sim.backend.start("after disband", device.run(ignore_errors(chat.delete_group(GROUP))))


def _sync(method: str, value: str) -> Any:
    def handle(sim: Simulation, device: Device, _: Any) -> None:
        if device.chat is not None:
            device.context.run(getattr(device.chat, method), value)

    return handle


def _set(name: str) -> Any:
    return lambda sim, device, value: setattr(device, name, value if value is not None else not getattr(device, name))


def _go_offline(sim: Simulation, device: Device, _: Any) -> None:
    network = virtual_loop().network
    network.offline.add(device.name)
    network.drop(device.name)


def _burst(sim: Simulation, device: Device, count: int) -> None:
    for _ in range(count):
        sim.send_text(device, GROUP, "group")


def _sleep(sim: Simulation, device: Device, seconds: float) -> None:
    # The device sleeps: its clock advances, and its connections may have been dropped meanwhile.
    device.world.slept += seconds
    if sim.chance.random() < 0.5:
        virtual_loop().network.half_open(device.name)


def _start_second(sim: Simulation, device: Device) -> None:
    if device.second is None:
        device.second_processes += 1
        device.second = SecondProcess(sim, device, device.second_processes)


def _end_second(sim: Simulation, device: Device) -> None:
    if device.second is not None:
        sim._later.append(asyncio.ensure_future(device.second.close()))


def _half_open(sim: Simulation, device: Device, _: Any) -> None:
    virtual_loop().network.half_open(device.name)
    sim.dead_lines.watch(device)


DEVICE_STEPS: dict[str, Any] = {
    "say": lambda sim, device, to: sim.send_text(device, to, "user"),
    "say group": lambda sim, device, _: sim.send_text(device, GROUP, "group"),
    "reply": _reply,
    "burst": _burst,
    "queue": lambda sim, device, to: sim.send_text(device, to, "user", queued=True),
    "edit": lambda sim, device, _: content_steps.change(sim, device, delete=False),
    "delete": lambda sim, device, _: content_steps.change(sim, device, delete=True),
    "read": _with_chat(_read),
    "react": _wanted("reaction", "add_reaction", "x", wanted=True),
    "unreact": _wanted("reaction", "remove_reaction", "x", wanted=False),
    "pin": _on_last("pin_message"),
    "unpin": _on_last("unpin_message"),
    "save": _wanted("save", "save_message", wanted=True),
    "unsave": _wanted("save", "unsave_message", wanted=False),
    "read group": _with_chat(_read_group),
    "pin chat": _with_chat(lambda chat, uid, device: chat.pin_conversation(uid)),
    "unpin chat": _with_chat(lambda chat, uid, device: chat.unpin_conversation(uid)),
    "unread": _with_chat(_unread),
    "tag chat": _with_chat(lambda chat, value, device: chat.tag_conversation(value[0], "user", value[1:])),
    "delete chat": _with_chat(lambda chat, uid, device: chat.delete_conversation(uid)),
    "block user": _with_chat(lambda chat, uid, device: chat.block_users([uid])),
    "unblock user": _with_chat(lambda chat, uid, device: chat.unblock_users([uid])),
    "type": _with_chat(lambda chat, _, device: chat.start_typing(GROUP, "group")),
    "leave": _with_chat(_leave),
    "join": _with_chat(_join),
    "kick": _by_owner("kick"),
    "ban": _by_owner("ban"),
    "unban": _by_owner("unban"),
    "add": _by_owner("add"),
    "scope": _with_chat(_change_scope),
    "transfer": _with_chat(_transfer),
    "disband": _disband,
    "connect": _with_chat(lambda chat, _, device: chat.connect()),
    "disconnect": _with_chat(lambda chat, _, device: chat.disconnect()),
    "ping": _with_chat(lambda chat, _, device: chat.ping()),
    "background": _sync("set_app_state", "background"),
    "foreground": _sync("set_app_state", "foreground"),
    "hint offline": _sync("set_network", "offline"),
    "hint online": _sync("set_network", "online"),
    "log out": lambda sim, device, _: sim.log_out(device),
    "log in": lambda sim, device, _: device.run(device.log_in()),
    "register push": lambda sim, device, _: device.run(sim.logins.register(device)),
    "close": lambda sim, device, _: sim._later.append(asyncio.ensure_future(device.close())),
    "kill": lambda sim, device, _: device.kill(),
    "start": lambda sim, device, _: device.start(),
    "second": lambda sim, device, _: _start_second(sim, device),
    "second close": lambda sim, device, _: _end_second(sim, device),
    "second kill": lambda sim, device, _: device.second.kill() if device.second is not None else None,
    "sleep": _sleep,
    "clock": lambda sim, device, seconds: setattr(device.world, "wall_offset", seconds),
    "raise": _set("raises"),
    "block": _set("blocks"),
    "drop": lambda sim, device, _: virtual_loop().network.drop(device.name),
    "half open": _half_open,
    "cut amid": lambda sim, device, left: virtual_loop().network.cut_amid(device.name, left),
    "offline": _go_offline,
    "back": lambda sim, device, _: virtual_loop().network.offline.discard(device.name),
    **content_steps.DEVICE_STEPS,
    **network_steps.DEVICE_STEPS,
}  # fmt: skip


def _set_network(name: str) -> Any:
    return lambda sim, value: setattr(virtual_loop().network, name, value if value is not None else True)


NETWORK_STEPS: dict[str, Any] = {
    "swallow": _set_network("swallowing"),
    "refuse": _set_network("refusing"),
    "nameless": _set_network("nameless"),
    "untrusted": _set_network("untrusted"),
    "slow accept": _set_network("accept_delay"),
    "jitter": lambda sim, most: setattr(
        virtual_loop().network, "jitter", lambda: sim.chance.random() ** 3 * most
    ),
    "restore": lambda sim, _: virtual_loop().network.restore(),
    "drop": lambda sim, _: virtual_loop().network.drop(),
    "freeze": lambda sim, seconds: virtual_loop().freeze(seconds),
    **network_steps.NETWORK_STEPS,
}  # fmt: skip
