"""What is done to single messages, over HTTP: reactions, pins, saves, threads followed, flags, interactions."""

from __future__ import annotations

from tailwire.server.actions.reactions import Flag, Interactions, Reactions
from tailwire.server.limits.rates import RequestKind
from tailwire.server.rest import shapes
from tailwire.server.rest.operations import Call, Operation, Who
from tailwire.server.rest.queries import Paged, ReactionQuery
from tailwire.server.rules.reasons import listed_reasons


class ReactionRoutes:
    """What hangs on messages."""

    def __init__(self, reactions: Reactions) -> None:
        self._reactions = reactions

    def operations(self) -> list[Operation]:
        """The operations."""
        r, one, done = self._reactions, shapes.Message, shapes.Done
        lists = list[shapes.Reaction]
        path = "/messages/{id}"
        return [
            Operation("POST", path + "/reactions/{reaction}", "React to a message",
                      lambda c: r.react(c.caller, c.params["id"], c.params["reaction"]), behalf=True, answer=one,
                      counts=RequestKind.SEND),
            Operation("DELETE", path + "/reactions/{reaction}", "Take a reaction back",
                      lambda c: r.react(c.caller, c.params["id"], c.params["reaction"], take_back=True), behalf=True,
                      answer=one, counts=RequestKind.SEND),
            Operation("GET", path + "/reactions", "See who reacted to a message", self._list, query=ReactionQuery,
                      answer=lists, whole=True),
            Operation("GET", path + "/reactions/{reaction}", "See who reacted with an emoji", self._list,
                      query=ReactionQuery, answer=lists, whole=True),
            Operation("POST", path + "/pin", "Pin a message",
                      lambda c: r.pin(c.caller, c.params["id"], pinned=True), answer=one),
            Operation("DELETE", path + "/pin", "Unpin a message",
                      lambda c: r.pin(c.caller, c.params["id"], pinned=False), answer=one),
            Operation("POST", path + "/save", "Save a message for oneself",
                      lambda c: r.save(c.caller, c.params["id"], saved=True), behalf=True, answer=one),
            Operation("DELETE", path + "/save", "Save a message no longer",
                      lambda c: r.save(c.caller, c.params["id"], saved=False), behalf=True, answer=one),
            Operation("POST", path + "/thread/subscription", "Follow a thread",
                      lambda c: r.follow(c.caller, c.params["id"], following=True), behalf=True, answer=done),
            Operation("DELETE", path + "/thread/subscription", "Follow a thread no longer",
                      lambda c: r.follow(c.caller, c.params["id"], following=False), behalf=True, answer=done),
            Operation("GET", "/threads", "List the threads that one follows", self._threads, query=Paged,
                      answer=list[shapes.Message], whole=True),
            Operation("POST", path + "/flagged", "Report a message",
                      lambda c: r.flag(c.caller, c.params["id"], c.body), body=Flag, answer=done),
            Operation("PATCH", path + "/interacted", "Say which elements of an interactive message were used",
                      lambda c: r.interact(c.caller, c.params["id"], c.body), body=Interactions, behalf=True,
                      answer=done),
            Operation("GET", "/moderation/reasons", "List the reasons for a report", self._reasons,
                      answer=list[shapes.Reason]),
            Operation("GET", "/moderation/flagged-messages", "List the reported messages", self._flagged,
                      who=Who.ADMIN, query=Paged, answer=list[shapes.Flagged], whole=True),
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
