"""What is done to single messages, over HTTP: reactions, pins, saves, threads followed, flags, interactions."""

from __future__ import annotations

from tailwire.server.actions.reactions import Flag, Interactions, Reactions
from tailwire.server.limits.rates import Kind
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.rest.queries import Paged, ReactionQuery
from tailwire.server.rules.reasons import listed_reasons


class ReactionRoutes:
    """What hangs on messages."""

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions

    def operations(self) -> list[Operation]:
        """The operations."""
        r, one, done = self._reactions, responses.Message, responses.Done
        lists = list[responses.Reaction]
        path = "/messages/{id}"
        return [
            Operation("POST", path + "/reactions/{reaction}", "React to a message",
                      lambda c: r.react(c.caller, c.params["id"], c.params["reaction"]), acts_for_user=True,
                      response=one, rate=Kind.SEND),
            Operation("DELETE", path + "/reactions/{reaction}", "Take a reaction back",
                      lambda c: r.react(c.caller, c.params["id"], c.params["reaction"], take_back=True),
                      acts_for_user=True, response=one, rate=Kind.SEND),
            Operation("GET", path + "/reactions", "See who reacted to a message", self._list, query=ReactionQuery,
                      response=lists, enveloped=True),
            Operation("GET", path + "/reactions/{reaction}", "See who reacted with an emoji", self._list,
                      query=ReactionQuery, response=lists, enveloped=True),
            Operation("POST", path + "/pin", "Pin a message",
                      lambda c: r.pin(c.caller, c.params["id"], pinned=True), response=one),
            Operation("DELETE", path + "/pin", "Unpin a message",
                      lambda c: r.pin(c.caller, c.params["id"], pinned=False), response=one),
            Operation("POST", path + "/save", "Save a message for oneself",
                      lambda c: r.save(c.caller, c.params["id"], saved=True), acts_for_user=True, response=one),
            Operation("DELETE", path + "/save", "Save a message no longer",
                      lambda c: r.save(c.caller, c.params["id"], saved=False), acts_for_user=True, response=one),
            Operation("POST", path + "/thread/subscription", "Follow a thread",
                      lambda c: r.follow(c.caller, c.params["id"], following=True), acts_for_user=True, response=done),
            Operation("DELETE", path + "/thread/subscription", "Follow a thread no longer",
                      lambda c: r.follow(c.caller, c.params["id"], following=False), acts_for_user=True, response=done),
            Operation("GET", "/threads", "List the threads that one follows", self._threads, query=Paged,
                      response=list[responses.Message], enveloped=True),
            Operation("POST", path + "/flagged", "Report a message",
                      lambda c: r.flag(c.caller, c.params["id"], c.body), body=Flag, response=done),
            Operation("PATCH", path + "/interacted", "Say which elements of an interactive message were used",
                      lambda c: r.interact(c.caller, c.params["id"], c.body), body=Interactions, acts_for_user=True,
                      response=done),
            Operation("GET", "/moderation/reasons", "List the reasons for a report", self._reasons,
                      response=list[responses.Reason]),
            Operation("GET", "/moderation/flagged-messages", "List the reported messages", self._flagged,
                      access=Access.ADMIN, query=Paged, response=list[responses.Flagged], enveloped=True),
        ]  # fmt: skip

    async def _list(self, call: Call) -> object:
        q: ReactionQuery = call.query
        size = q.per_page or q.perPage or q.limit or 100
        return await self._reactions.reactions(
            call.caller, call.params["id"], call.params.get("reaction", ""), newer=q.affix != "prepend", cursor=q.id,
            limit=size,
        )  # fmt: skip

    async def _threads(self, call: Call) -> bytes:
        return await self._reactions.threads(call.caller, limit=call.query.size, number=call.query.page)

    async def _flagged(self, call: Call) -> bytes:
        return await self._reactions.flagged(limit=call.query.size, number=call.query.page)

    async def _reasons(self, call: Call) -> list[dict[str, str]]:
        return listed_reasons()
