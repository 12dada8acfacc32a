"""The app's backend in a run. While the users act, it uses a REST API key to send, to change the group, and to delete.

What it deletes, messages and the group, is removed from the database.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from tailwire.admin import Admin
from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.calls.parts import parts_of
from tailwire.sdk.exceptions import CometChatException
from tailwire.server.auth.secrets import fingerprint
from tailwire.testing.simulation.records import Send
from tailwire.testing.simulation.steps import USERS
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import VirtualSdkWorld, virtual_loop
from tailwire.wire.entities import Group, GroupMember, TextMessage

if TYPE_CHECKING:
    from tailwire.testing.simulation.simulation import Simulation

NAME = "backend"
RETRY_SECONDS = 5.0


class Backend:
    """The backend of a run.

    Args:
        sim: the run.
        seed: the seed of the randomness of its client.

    Attributes:
        removed: ids of the messages whose permanent deletion the server has confirmed.
        doubtful: ids of the messages whose permanent deletion was requested, confirmed or not.
    """

    def __init__(self, sim: Simulation, seed: int) -> None:
        self._sim = sim
        self._world = VirtualSdkWorld(seed)
        self._admin: Admin | None = None
        self._context = copy_context()
        self._context.run(current_process.set, f"{NAME}#1")
        self._tasks: list[asyncio.Task[None]] = []
        self.removed: set[int] = set()
        self.doubtful: set[int] = set()

    def start(self, what: str, value: Any) -> None:
        """Start a step in the background.

        Args:
            what: the name of a step of the backend, as the functions of `wider_world` make them; or `after disband`,
                which creates the group again after a user has deleted it.
            value: the step's value; for `after disband` the task of the user's call.
        """
        work: Any = {
            "say": self._say, "flood": self._flood, "remove": self._remove, "disband": self._disband,
            "after disband": self._after_disband, "log out": self._log_out,
            "kick": self._change, "add": self._change, "scope": self._change,
        }[what]  # fmt: skip
        run = work(what, value) if work == self._change else work(value)
        self._tasks.append(virtual_loop().create_task(run, context=self._context))

    async def finish(self) -> None:
        """Wait for the steps that were started. If the group was ever deleted, create it unless it exists."""
        await asyncio.gather(*self._tasks)
        if self.group_removed_until:
            await self._make_group_again()

    async def close(self) -> None:
        """Close the client of the REST API, if there is one."""
        if self._admin is not None:
            await self._admin.aclose()

    @property
    def group_removed_until(self) -> int:
        """The id up to which the group's messages were deleted together with the group; 0 if it never was deleted."""
        return max((removal.after_id for removal in self._sim.commits.removals), default=0)

    def has_removed(self, send: Send) -> bool:
        """Return whether a sent message was or may have been removed from the database, by itself or with the group."""
        with_group = send.place.startswith(self._sim.group) and send.id <= self.group_removed_until
        return send.id in self.removed or send.id in self.doubtful or with_group

    @property
    def has_acted(self) -> bool:
        """Whether any message may have been removed from the database."""
        return bool(self.doubtful or self.group_removed_until)

    def has_removed_id(self, message_id: int, conversation: str) -> bool:
        """Return whether a received message may have been removed from the database, by itself or with the group.

        Args:
            message_id: the id of the message.
            conversation: the id of its conversation, as clients see it.
        """
        in_group = conversation == f"group_{self._sim.group}"
        return message_id in self.doubtful or (in_group and message_id <= self.group_removed_until)

    def _admin_client(self) -> Admin:
        if self._admin is None:
            server = self._sim.server
            settings = AppSettingsBuilder().override_client_host(server.url).build()
            self._admin = Admin(server.app_id, settings, server.api_key, world=self._world)
        return self._admin

    async def _say(self, value: Any) -> None:
        uid, receiver = value
        kind: Any = "group" if receiver == self._sim.group else "user"
        text = self._sim.next_text()
        send = self._sim.sends[text] = Send(NAME, 1, f"{receiver} for {uid}", text, {text})
        message = TextMessage(receiver=receiver, receiver_type=kind, text=text, muid=text)
        try:
            stored = await self._admin_client().messages.send(message, on_behalf_of=uid)
        except CometChatException as error:
            send.outcome = "in doubt" if error.code in self._sim.in_doubt else "refused"
        else:
            send.outcome, send.id = "acknowledged", stored.id
        self._sim.add_to_trace(NAME, "sent", text, send.outcome, send.id)

    async def _flood(self, count: int) -> None:
        # Send more messages than a device hands over at once.
        for _ in range(count):
            await self._say([USERS[0], self._sim.group])

    async def _remove(self, _: Any) -> None:
        known = [send for send in self._sim.sends.values() if send.outcome == "acknowledged"]
        if not known:
            return
        send = self._sim.chance.choice(known)
        self.doubtful.add(send.id)
        try:
            await self._admin_client().messages.delete(send.id, permanently=True)
        except CometChatException as error:
            self._sim.add_to_trace(NAME, "not removed", send.id, error.code)
            return
        self.removed.add(send.id)
        self._sim.add_to_trace(NAME, "removed", send.id)

    async def _log_out(self, name: str) -> None:
        # Revoke the token of a device, as an app's backend does when a user removes the device from a list of theirs.
        sim, device = self._sim, self._sim.devices[name]
        session = parts_of(device.chat).sessions.current if device.chat is not None else None
        if session is None or session.expired:
            return
        sim.logins.expect_revocation(device)
        sim.reasons.record_logout(name, done=False)
        try:
            await self._admin_client().tokens.revoke(device.uid, session.auth_token)
        except CometChatException as error:
            sim.add_to_trace(NAME, "not logged out", name, error.code)
            return
        finally:
            sim.reasons.record_logout(name, done=True)
        sim.add_to_trace(NAME, "logged out", name)
        sim.logins.watch_revoked(device, fingerprint(session.auth_token))

    async def _change(self, what: str, uid: str) -> None:
        groups = self._admin_client().groups
        try:
            if what == "kick":
                await groups.kick(self._sim.group, uid)
            elif what == "add":
                await groups.add_members(self._sim.group, [GroupMember(uid)])
            else:
                await groups.change_scope(self._sim.group, uid, self._sim.chance.choice(("moderator", "participant")))
        except CometChatException as error:
            self._sim.add_to_trace(NAME, f"no {what}", uid, error.code)

    async def _disband(self, _: Any) -> None:
        # Delete the group, and make it again under the same guid.
        await self._until_done(lambda: self._admin_client().groups.delete(self._sim.group), "ERR_GUID_NOT_FOUND")
        await self._make_group_again()

    async def _after_disband(self, deleted: asyncio.Task[None]) -> None:
        # Make the group again after a user has tried to delete it.
        await asyncio.wait([deleted])
        await self._make_group_again()

    async def _make_group_again(self) -> None:
        group, members = self._sim.group, [GroupMember(self._sim.chance.choice(USERS[1:]))]  # the other one is left out
        await self._until_done(
            lambda: self._admin_client().groups.create(Group(group, "Team"), owner=USERS[0], members=members),
            "ERR_GUID_ALREADY_EXISTS",
        )
        self._sim.add_to_trace(NAME, "made the group again", self.group_removed_until)

    async def _until_done(self, call: Any, success_code: str) -> None:
        while True:
            try:
                await call()
                return
            except CometChatException as error:
                if error.code == success_code:
                    return
            await asyncio.sleep(RETRY_SECONDS)
