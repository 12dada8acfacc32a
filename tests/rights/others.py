"""Events besides REST requests of users: sockets that open and close, their frames, and requests of the app itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rights import consequences, operations
from rights.operations import Deviation, ReceivedChange
from rights.stage import Client

if TYPE_CHECKING:
    from rights.run import Player

Happened = list[tuple[ReceivedChange, str]] | None
"""The expected frames, each with the device that caused it; None if nothing happened."""


async def connect(player: Player, uid: str, device: str) -> Happened:
    """Open a further socket of a user."""
    mine = [client for client in player.backend.clients if client.uid == uid]
    if not player.state.there(uid) or any(client.device == f"{uid}-{device}" for client in mine):
        return None
    await player.backend.connect(uid, device)
    player.state.people[uid].online += 1
    return _presence(player, uid, "online") if len(mine) == 0 else []


def _presence(player: Player, uid: str, action: str) -> list[tuple[ReceivedChange, str]]:
    s = player.state
    must = {u for u in s.everybody() if u != uid and not s.apart(u, uid)}
    return [(ReceivedChange(("presence", action, uid), must, {uid}), "")]


async def disconnect(player: Player, uid: str) -> Happened:
    """Close a socket of a user."""
    mine = [client for client in player.backend.clients if client.uid == uid]
    if not mine:
        return None
    await player.backend.disconnect(mine[0])
    player.state.people[uid].online -= 1
    return _presence(player, uid, "offline") if len(mine) == 1 else []


async def log_out(player: Player, uid: str) -> Happened:
    """Revoke a user's token, which closes its sockets, and log in again."""
    if not player.state.there(uid):
        return None
    token = player.backend.tokens[uid]
    await player.backend.ask("DELETE", "/me", as_=uid)
    had = await _ended(player, uid, token)
    made = await player.sure("POST", f"/users/{uid}/auth_tokens", {"force": True})
    player.backend.tokens[uid] = made.data["authToken"]
    return _presence(player, uid, "offline") if had else []


async def _ended(player: Player, uid: str, token: str) -> bool:
    await asyncio.sleep(1)
    mine = [client for client in player.backend.clients if client.uid == uid]
    for client in mine:
        if client.open:
            raise Deviation("a token that ended", f"{client.device} is still open")
        player.backend.clients.remove(client)
    if (await player.backend.ask("GET", "/me", authtoken=token)).status == 200:
        raise Deviation("a token that ended", f"the old token of {uid} is still good")
    player.state.people[uid].online = 0
    return bool(mine)


async def delete_user(player: Player, uid: str, permanent: bool) -> Happened:
    """Delete a user as the app."""
    if not player.state.there(uid):
        return None
    await player.sure("DELETE", f"/users/{uid}", {"permanent": permanent})
    presence = _presence(player, uid, "offline")
    consequences.delete_user(player.state, uid, permanent=permanent)
    await _ended(player, uid, player.backend.tokens.pop(uid))
    presence_change = presence[0][0]
    return [(ReceivedChange(presence_change.key, set(), presence_change.must), "")]


async def befriend(player: Player, uid: str, other: str) -> Happened:
    """Make two users friends as the app."""
    s = player.state
    if not (s.there(uid) and s.there(other)) or other in s.people[uid].friends:
        return None
    await player.sure("POST", f"/users/{uid}/friends", {"accepted": [other]})
    s.people[uid].friends.add(other)
    s.people[other].friends.add(uid)
    return []


async def unfriend(player: Player, uid: str, other: str) -> Happened:
    """End a friendship as the app."""
    if not player.state.there(uid) or other not in player.state.people[uid].friends:
        return None
    await player.sure("DELETE", f"/users/{uid}/friends", {"friends": [other]})
    player.state.people[uid].friends.discard(other)
    player.state.people[other].friends.discard(uid)
    return []


async def change_role(player: Player, uid: str, role: str) -> Happened:
    """Change the role of a user as the app."""
    if not player.state.there(uid):
        return None
    await player.sure("PUT", f"/users/{uid}", {"role": role})
    player.state.people[uid].role = role
    return []


async def typing(player: Player, uid: str, kind: str, other: str) -> Happened:
    """Send a typing frame on a socket of a user."""
    return await _live(player, uid, kind, other, "typing_indicator", {"action": "started", "metadata": {}})


async def transient(player: Player, uid: str, kind: str, other: str) -> Happened:
    """Send a transient message on a socket of a user."""
    mark = player.meanings.mark()
    return await _live(player, uid, kind, other, "transient_message", {"data": {"mark": mark}})


async def _live(player: Player, uid: str, kind: str, other: str, type_: str, body: Any) -> Happened:
    operation = player.meanings.operation(("say", uid, kind, other))
    client: Client | None = next(
        (e for e in player.backend.clients if operation is not None and e.uid == operation.who), None
    )
    if operation is None or client is None or other == operation.who:
        return None
    s, who = player.state, operation.who
    await client.say(type=type_, receiver=other, receiverType=kind, body=body)
    if operations.telling(s, who, kind, other):
        return []
    place = operations.place_of(s, who, kind, other)
    what = body["action"] if type_ == "typing_indicator" else None
    key = (type_, what, who, kind, other) if what else (type_, who, kind, other, body["data"]["mark"])
    must = s.members_of(place) - {who}
    if s.people[who].role == "mute":  # undocumented for this role
        return [(ReceivedChange(key, set(), must | {who}), client.device)]
    return [(ReceivedChange(key, must, {who}), client.device)]


OTHERS: dict[str, Callable[..., Awaitable[Happened]]] = {
    "connect": connect,
    "disconnect": disconnect,
    "log out": log_out,
    "delete user": delete_user,
    "befriend": befriend,
    "unfriend": unfriend,
    "role": change_role,
    "typing": typing,
    "transient": transient,
}
