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

ExpectedFrames = list[tuple[ReceivedChange, str]] | None
"""The expected frames, each with the device that caused it; None if nothing happened."""


async def connect(player: Player, uid: str, device: str) -> ExpectedFrames:
    """Open a further socket of a user."""
    mine = [client for client in player.backend.clients if client.uid == uid]
    if not player.state.exists(uid) or any(client.device == f"{uid}-{device}" for client in mine):
        return None
    await player.backend.connect(uid, device)
    player.state.people[uid].online += 1
    return _presence(player, uid, "online") if len(mine) == 0 else []


def _presence(player: Player, uid: str, action: str) -> list[tuple[ReceivedChange, str]]:
    s = player.state
    must = {u for u in s.everybody() if u != uid and not s.is_blocked_between(u, uid)}
    return [(ReceivedChange(("presence", action, uid), must, {uid}), "")]


async def disconnect(player: Player, uid: str) -> ExpectedFrames:
    """Close a socket of a user."""
    mine = [client for client in player.backend.clients if client.uid == uid]
    if not mine:
        return None
    await player.backend.disconnect(mine[0])
    player.state.people[uid].online -= 1
    return _presence(player, uid, "offline") if len(mine) == 1 else []


async def log_out(player: Player, uid: str) -> ExpectedFrames:
    """Revoke a user's token, which closes its sockets, and log in again."""
    if not player.state.exists(uid):
        return None
    token = player.backend.tokens[uid]
    await player.backend.ask("DELETE", "/me", as_=uid)
    had = await _check_token_ended(player, uid, token)
    made = await player.require_success("POST", f"/users/{uid}/auth_tokens", {"force": True})
    player.backend.tokens[uid] = made.data["authToken"]
    return _presence(player, uid, "offline") if had else []


async def _check_token_ended(player: Player, uid: str, token: str) -> bool:
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


async def delete_user(player: Player, uid: str, permanent: bool) -> ExpectedFrames:
    """Delete a user as the app."""
    if not player.state.exists(uid):
        return None
    await player.require_success("DELETE", f"/users/{uid}", {"permanent": permanent})
    presence = _presence(player, uid, "offline")
    consequences.delete_user(player.state, uid, permanent=permanent)
    await _check_token_ended(player, uid, player.backend.tokens.pop(uid))
    presence_change = presence[0][0]
    return [(ReceivedChange(presence_change.key, set(), presence_change.must), "")]


async def befriend(player: Player, uid: str, other: str) -> ExpectedFrames:
    """Make two users friends as the app."""
    s = player.state
    if not (s.exists(uid) and s.exists(other)) or other in s.people[uid].friends:
        return None
    await player.require_success("POST", f"/users/{uid}/friends", {"accepted": [other]})
    s.people[uid].friends.add(other)
    s.people[other].friends.add(uid)
    return []


async def unfriend(player: Player, uid: str, other: str) -> ExpectedFrames:
    """End a friendship as the app."""
    if not player.state.exists(uid) or other not in player.state.people[uid].friends:
        return None
    await player.require_success("DELETE", f"/users/{uid}/friends", {"friends": [other]})
    player.state.people[uid].friends.discard(other)
    player.state.people[other].friends.discard(uid)
    return []


async def change_role(player: Player, uid: str, role: str) -> ExpectedFrames:
    """Change the role of a user as the app."""
    if not player.state.exists(uid):
        return None
    await player.require_success("PUT", f"/users/{uid}", {"role": role})
    player.state.people[uid].role = role
    return []


async def send_typing(player: Player, uid: str, kind: str, other: str) -> ExpectedFrames:
    """Send a typing frame on a socket of a user."""
    return await _live(player, uid, kind, other, "typing_indicator", {"action": "started", "metadata": {}})


async def send_transient(player: Player, uid: str, kind: str, other: str) -> ExpectedFrames:
    """Send a transient message on a socket of a user."""
    mark = player.meanings.next_mark()
    return await _live(player, uid, kind, other, "transient_message", {"data": {"mark": mark}})


async def _live(player: Player, uid: str, kind: str, other: str, type_: str, body: Any) -> ExpectedFrames:
    operation = player.meanings.operation(("say", uid, kind, other))
    client: Client | None = next(
        (e for e in player.backend.clients if operation is not None and e.uid == operation.who), None
    )
    if operation is None or client is None or other == operation.who:
        return None
    s, who = player.state, operation.who
    await client.say(type=type_, receiver=other, receiverType=kind, body=body)
    if operations.codes_for_live_frame(s, who, kind, other):
        return []
    place = operations.place_of(s, who, kind, other)
    what = body["action"] if type_ == "typing_indicator" else None
    key = (type_, what, who, kind, other) if what else (type_, who, kind, other, body["data"]["mark"])
    must = s.members_of(place) - {who}
    if s.people[who].role == "mute":  # undocumented for this role
        return [(ReceivedChange(key, set(), must | {who}), client.device)]
    return [(ReceivedChange(key, must, {who}), client.device)]


OTHERS: dict[str, Callable[..., Awaitable[ExpectedFrames]]] = {
    "connect": connect,
    "disconnect": disconnect,
    "log out": log_out,
    "delete user": delete_user,
    "befriend": befriend,
    "unfriend": unfriend,
    "role": change_role,
    "typing": send_typing,
    "transient": send_transient,
}
