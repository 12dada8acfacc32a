"""Handlers of the steps that `simulation.networks` makes: access lines, captive portals and proxies."""

from __future__ import annotations

import asyncio
import random
import re
from functools import partial
from typing import Any

from tailwire.sdk.calls.uploads import UploadFile
from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.oracle import require
from tailwire.testing.simulation.simulation import GROUP, Simulation, ignore_errors
from tailwire.testing.simulation.steps import USERS
from tailwire.testing.virtual.middleboxes import busy_proxy, gateway, portal, refusing_proxy
from tailwire.testing.virtual.repeating import Repeater
from tailwire.testing.virtual.world import PORT, virtual_loop

_MUID = re.compile(rb'"muid": ?"([^"]+)"')
SERVER_NAME = "server"
SERVER_ADDRESS, BAD_ADDRESS = "192.0.2.1", "2001:db8::1"


def _line(sim: Simulation, device: Device, value: Any) -> None:
    up, down, queue, latency, *proxied = value
    virtual_loop().network.set_line(device.name, up, down, queue, latency, acknowledges=bool(proxied))


def _portal(sim: Simulation, device: Device, value: Any) -> None:
    kind, existing = value
    network = virtual_loop().network
    network.middleboxes[device.name] = portal(kind)
    if existing == "swallow":
        network.half_open(device.name)
    else:
        network.drop(device.name)


def _proxy(sim: Simulation, device: Device, value: Any) -> None:
    kind, *more = value
    network = virtual_loop().network
    network.lift_proxies(device.name)
    if kind == "refuse":
        network.middleboxes[device.name] = refusing_proxy(*more)
    elif kind == "repeat":
        network.middleboxes[device.name] = sim.repeaters[device.name] = Repeater(partial(network.listener, PORT))
        network.drop(device.name)
    elif kind == "gateway":
        network.middleboxes[device.name] = gateway(more[0])
        network.drop(device.name)  # new requests go through it
    elif kind == "busy":
        network.middleboxes[device.name] = busy_proxy()
        network.drop(device.name)  # it was restarted
    elif kind == "hold":
        network.holding[device.name] = more[0]
    else:
        network.kill_idle(device.name, more[0], silently=more[1])


def _repeat(sim: Simulation, device: Device, _: Any) -> None:
    # The proxy delivers all requests that it has passed so far again, latest first.
    proxy = sim.repeaters.get(device.name)
    if proxy is None or sim.server.parts is None:
        return
    kept, proxy.kept = proxy.kept[::-1], []
    for _, _, request in kept:
        sim.repeated |= {muid.decode() for muid in _MUID.findall(request)}
        proxy.deliver(request)


def _lift(sim: Simulation, device: Device, _: Any) -> None:
    virtual_loop().network.lift_proxies(device.name)


def _upload(sim: Simulation, device: Device, size: int) -> None:
    chat = device.chat
    if chat is None or chat.get_logged_in_user() is None:
        return
    file = UploadFile(content=bytes(size), name="photo.bin")
    receiver = next(uid for uid in USERS if uid != device.uid)
    device.run(ignore_errors(chat.upload_attachments(receiver, "user", [file])))


def _chatter(sim: Simulation, device: Device, value: Any) -> None:
    lasts, every = value

    async def work() -> None:
        end = virtual_loop().time() + lasts
        while virtual_loop().time() < end:
            sim.send_text(device, GROUP, "group")
            await asyncio.sleep(every)

    device.run(work())


def _letter(sim: Simulation, device: Device, count: int) -> None:
    # Long texts that compress to half, so that catch-up fills a slow line.
    for n in range(count):
        sim.send_text(device, GROUP, "group", more=f" {random.Random(n).randbytes(100).hex()}")


def _must_be_connected(sim: Simulation, device: Device, _: Any) -> None:
    status = device.chat.get_connection_status() if device.chat is not None else None
    require(status == ConnectionStatus.CONNECTED, f"soon: {device.name} is {status}, without a fault that prevents it")


def _must_have_received_all(sim: Simulation, device: Device, _: Any) -> None:
    mine = {s.id for s in sim.sends.values() if s.id and s.place.startswith((f"{device.uid} ", f"{GROUP} "))}
    missing = (
        mine - {received.id for received in device.received} - {s.id for s in sim.sends.values() if s.by == device.name}
    )
    require(not missing, f"soon: {device.name} has not received {sorted(missing)} yet")


DEVICE_STEPS: dict[str, Any] = {
    "line": _line,
    "line off": lambda sim, device, _: virtual_loop().network.lift_line(device.name),
    "portal": _portal,
    "portal off": _lift,
    "proxy": _proxy,
    "proxy off": _lift,
    "repeat": _repeat,
    "upload": _upload,
    "chatter": _chatter,
    "letters": _letter,
    "must be connected": _must_be_connected,
    "must have received all": _must_have_received_all,
}


def _names(sim: Simulation, first: str) -> None:
    # The first address of the name does not work; the second is the server's.
    names = virtual_loop().network.names
    names.addresses[SERVER_NAME] = [BAD_ADDRESS, SERVER_ADDRESS]
    (names.dead if first == "dead" else names.refused).add(BAD_ADDRESS)


NETWORK_STEPS: dict[str, Any] = {
    "names": _names,
    "move": lambda sim, address: virtual_loop().network.move(SERVER_NAME, address),
}
