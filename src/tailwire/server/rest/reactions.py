"""REST operations on single messages: reactions, pins, saves, followed threads, reports, interactions."""

from __future__ import annotations

from typing import Any

from tailwire.server.actions.payloads import reaction_payload
from tailwire.server.actions.reactions import Reactions
from tailwire.server.limits.rates import RequestKind
from tailwire.server.rest import requests, responses
from tailwire.server.rest.cursors import Order
from tailwire.server.rest.entity_payloads import report_payload
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import Cursored, Paged, ReactionQuery
from tailwire.server.rest.results import confirmation, page
from tailwire.server.rules.reasons import listed_reasons

_REPORTS = Order("reported", {"at": int, "message_id": int, "by": str})


class ReactionRoutes:
    """The REST operations below `/messages/{id}` (reactions, pins, saves …), `/threads` and `/moderation`."""

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [*self._reaction_operations("/messages/{id}/reactions"), *self._message_operations("/messages/{id}"),
                *self._list_operations()]  # fmt: skip

    def _reaction_operations(self, path: str) -> list[Operation]:
        one, many = responses.Message, list[responses.Reaction]
        reaction = path + "/{reaction}"
        return [
            Operation("POST", reaction, "React to a message", self._react, acts_for_user=True, response=one,
                      rate=RequestKind.SEND),
            Operation("DELETE", reaction, "Remove a reaction", self._unreact, acts_for_user=True, response=one,
                      rate=RequestKind.SEND),
            Operation("GET", path, "List the reactions to a message", self._list, query=ReactionQuery, response=many,
                      enveloped=True),
            Operation("GET", reaction, "List the users who reacted with an emoji", self._list, query=ReactionQuery,
                      response=many, enveloped=True),
        ]  # fmt: skip

    def _message_operations(self, path: str) -> list[Operation]:
        one, confirmed = responses.Message, responses.Confirmation
        pin, save, thread = path + "/pin", path + "/save", path + "/thread/subscription"
        return [
            Operation("POST", pin, "Pin a message", self._pin, response=one),
            Operation("DELETE", pin, "Unpin a message", self._unpin, response=one),
            Operation("POST", save, "Save a message", self._save, acts_for_user=True, response=one),
            Operation("DELETE", save, "Remove a message from the saved messages", self._unsave, acts_for_user=True,
                      response=one),
            Operation("POST", thread, "Follow a thread", self._follow, acts_for_user=True, response=confirmed),
            Operation("DELETE", thread, "Stop following a thread", self._unfollow, acts_for_user=True,
                      response=confirmed),
            Operation("POST", path + "/flagged", "Report a message", self._flag, body=requests.FlagMessage,
                      response=confirmed),
            Operation("PATCH", path + "/interacted", "Store which elements of an interactive message were used",
                      self._interact, body=requests.MarkInteractions, acts_for_user=True, response=confirmed),
        ]  # fmt: skip

    def _list_operations(self) -> list[Operation]:
        return [
            Operation("GET", "/threads", "List the threads that the caller follows", self._list_threads, query=Paged,
                      response=list[responses.Message], enveloped=True),
            Operation("GET", "/moderation/reasons", "List the reasons for a report", self._list_reasons,
                      response=list[responses.ReportReason]),
            Operation("GET", "/moderation/flagged-messages", "List the reported messages", self._list_flagged,
                      access=Access.ADMIN, query=Cursored, response=list[responses.MessageReport], enveloped=True),
        ]  # fmt: skip

    async def _react(self, call: Call) -> bytes:
        return await self._reactions.react(call.caller, call.params["id"], call.params["reaction"])

    async def _unreact(self, call: Call) -> bytes:
        return await self._reactions.react(call.caller, call.params["id"], call.params["reaction"], take_back=True)

    async def _list(self, call: Call) -> dict[str, Any]:
        q: ReactionQuery = call.query
        newer = q.affix != "prepend"
        found = await self._reactions.reactions(
            call.caller, call.params["id"], call.params.get("reaction", ""), newer=newer, cursor=q.id, limit=q.size
        )
        meta: dict[str, Any] = {"current": {"limit": q.size, "count": len(found)}}
        if found:
            edge = (found[-1] if newer else found[0]).row
            meta["next"] = {"affix": "append" if newer else "prepend", "id": str(edge.id)}
        return {"data": list(map(reaction_payload, found)), "meta": meta}

    async def _pin(self, call: Call) -> bytes:
        return await self._reactions.pin(call.caller, call.params["id"], pinned=True)

    async def _unpin(self, call: Call) -> bytes:
        return await self._reactions.pin(call.caller, call.params["id"], pinned=False)

    async def _save(self, call: Call) -> bytes:
        return await self._reactions.save(call.caller, call.params["id"])

    async def _unsave(self, call: Call) -> bytes:
        return await self._reactions.unsave(call.caller, call.params["id"])

    async def _follow(self, call: Call) -> dict[str, Any]:
        number = await self._reactions.follow(call.caller, call.params["id"], following=True)
        return confirmation(f"The user {call.caller.uid} has subscribed to the thread of message id {number}.")

    async def _unfollow(self, call: Call) -> dict[str, Any]:
        number = await self._reactions.follow(call.caller, call.params["id"], following=False)
        return confirmation(f"The user {call.caller.uid} has unsubscribed from the thread of message id {number}.")

    async def _flag(self, call: Call) -> dict[str, Any]:
        body: requests.FlagMessage = call.body
        number = await self._reactions.flag(call.caller, call.params["id"], body.reason_id or body.id, body.remark)
        return confirmation(f"Message {number} has been flagged successfully.")

    async def _interact(self, call: Call) -> dict[str, Any]:
        number = await self._reactions.interact(call.caller, call.params["id"], call.body.interactions)
        return confirmation(f"The message id {number} has been marked as interacted for the user {call.caller.uid}.")

    async def _list_threads(self, call: Call) -> dict[str, Any]:
        q: Paged = call.query
        return page(q, *await self._reactions.list_followed_threads(call.caller, limit=q.size, offset=q.offset))

    async def _list_flagged(self, call: Call) -> dict[str, Any]:
        q: Cursored = call.query
        if q.cursor:
            found = await self._reactions.reports_after(_REPORTS.position_in(q.cursor), q.size + 1)
            return _REPORTS.page(found, q.size, report_payload)
        rows, total = await self._reactions.list_reports(limit=q.size, offset=q.offset)
        return page(q, list(map(report_payload, rows)), total)

    async def _list_reasons(self, call: Call) -> list[dict[str, str]]:
        return listed_reasons()
