"""Sends messages: those of one conversation in the order of the calls, each stored once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import not_reached
from tailwire.sdk.io.http import Http
from tailwire.sdk.own_changes import OwnChanges
from tailwire.sdk.sending import Sending
from tailwire.sdk.session_holder import SessionHolder
from tailwire.wire.codec import BadWire, message_from_wire
from tailwire.wire.entities import BaseMessage
from tailwire.wire.identifiers import stored_id


def _stored_message(answer: Any, muid: str) -> BaseMessage:
    # An answer without this message comes from something between client and server: the send is in doubt.
    try:
        message = message_from_wire(answer)
        if message.id > 0 and message.muid in ("", muid):
            return message
        reason = f"it names the message {message.id} with the muid {message.muid!r}"
    except BadWire as e:
        reason = str(e)
    details = (
        f"The answer to a send did not come from a chat server ({reason}). Check the proxies in front of the server."
    )
    raise not_reached(Cause.NOT_OUR_SERVER, details)


class Sender:
    """Sends messages, for calls of the app and for the outbox."""

    def __init__(
        self, http: Http, sessions: SessionHolder, requests: UserRequests, sending: Sending, own: OwnChanges
    ) -> None:
        self._http = http
        self._sessions = sessions
        self._requests = requests
        self._sending = sending
        self._own = own

    async def send(self, body: Mapping[str, Any], uid: str = "") -> BaseMessage:
        """Send a message, and return it as the server stored it.

        Earlier sends to the same conversation are finished first. If the response was lost, the request is repeated
        with the same muid (the client's id of the message), so that the server stores the message once (K3).

        Args:
            body: the JSON body of the request, with `muid`, `receiver` and `receiverType`.
            uid: the sender; "" for the user who is logged in now.

        Raises:
            CometChatException: as for `ChatClient.send_message`; `USER_NOT_LOGGED_IN` also when the sender is no longer
                the user who is logged in; `NO_INTERNET_CONNECTION` also when it is not known whether the message was
                stored.
        """
        time_limit, uid = self._http.progress_timeout(), uid or self._sessions.require().uid

        async def attempt() -> BaseMessage:
            answer = await self._requests.ask("POST", "/messages", body=body, time_limit=time_limit, uid=uid)
            return _stored_message(answer, str(body["muid"]))

        conversation = f"{body['receiverType']}:{stored_id(body['receiver'])}"
        stored: BaseMessage = await self._sending.send(conversation, attempt, time_limit)
        self._own.record_stored(stored, uid)
        return stored
