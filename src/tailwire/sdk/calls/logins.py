"""Log in and out: what begins a session, keeps it, and ends it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.access import OnError, OnSuccess, decoded, quoted, settle
from tailwire.sdk.calls.connecting import ConnectionCalls
from tailwire.sdk.calls.pages import position_now
from tailwire.sdk.calls.tokens import REJECTED
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import Mode, Phase
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.callbacks import LoginNotice, StatusChanged
from tailwire.sdk.dispatch.served import Served
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.listeners.events import ConnectionChanged
from tailwire.sdk.outbox import Outbox
from tailwire.sdk.sending import AGAIN
from tailwire.sdk.session import Session, SessionStore
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import User

log = logging.getLogger("tailwire")

_SECRETS = ("authToken", "jwt", "wsChannel")


class LoginCalls(ConnectionCalls):
    """The part of a client that begins and ends sessions."""

    _settings: AppSettings
    _store: SessionStore
    _outbox: Outbox | None = None
    _served: Served
    _ended: Session | None = None
    """A session of which the server has rejected the token: the next login of its user goes on from its place."""
    _logging_in = False

    async def login(
        self, uid: str, *, auth_key: str, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Log a user in with the app's auth key (for development).

        Who is logged in already stays so: the session keeps its token and its place, and what was missed while the
        app was away is handed over. A token that the server rejects is replaced by a new one. The session of another
        user ends on this device.

        Returns:
            The user. The connection then goes its own way: see `wait_connected`.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `LOGIN_IN_PROGRESS`, `ERR_UID_NOT_FOUND`,
                `AUTH_ERR_*`, `NO_INTERNET_CONNECTION` (not where the user is logged in already).
        """

        async def token() -> str:
            body = {"platform": "python", "deviceId": self._identity.resource}
            path = f"/users/{quoted(uid)}/auth_tokens"
            answer = await self._reached().ask("POST", path, key=auth_key, body=body)
            if not isinstance(answer, dict) or not isinstance(answer.get("authToken"), str):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer has no auth token.")
            return str(answer["authToken"])

        return await settle(self._login(token, lambda session: session.uid == uid), on_success, on_error)

    async def login_with_auth_token(
        self, auth_token: str, *, on_success: OnSuccess[User] = None, on_error: OnError = None
    ) -> User:
        """Log a user in with an auth token that your backend made (for production).

        With the token of the session that is kept, the session goes on as it is. Another token of the same user takes
        the place of the kept one, and what was missed is handed over. The session of another user ends on this device.

        Returns:
            The user.

        Raises:
            CometChatException: as `login`; `AUTH_ERR_AUTH_TOKEN_NOT_FOUND`.
        """

        async def token() -> str:
            return auth_token

        return await settle(self._login(token, lambda session: session.auth_token == auth_token), on_success, on_error)

    async def _login(self, get_token: Callable[[], Awaitable[str]], stays: Callable[[Session], bool]) -> User:
        queue = self._parts[2]
        if self._logging_in:
            raise failure("LOGIN_IN_PROGRESS")
        self._logging_in = True
        queue.hold()  # an app begins to listen when it is logged in: nothing is handed over before that
        try:
            kept = self._session
            user = None
            if kept is not None and not kept.expired and stays(kept):
                user = await self._still_good(kept)
            if user is None:
                user = await self._begin_anew(await get_token())
        except CometChatException as e:
            queue.put(LoginNotice("login_failure", (e,)))
            raise
        finally:
            self._logging_in = False
            queue.release()
        queue.put(LoginNotice("login_success", (user,)))
        log.info("logged in as %s", user.uid)
        return user

    async def _still_good(self, kept: Session) -> User | None:
        # The user of the kept session; None when its token is rejected, or the session has ended meanwhile.
        driver, _, _, connector = self._parts
        try:
            me, signed = await connector.me(kept.auth_token)
        except CometChatException as e:
            if e.code in REJECTED:
                return None
            if e.code not in AGAIN:
                raise
            log.warning("the saved session of %s is kept, the server could not be asked: %s", kept.uid, e)
            me, signed = kept.user, ""
        session = self._session
        if session is None or session.expired or session.uid != kept.uid:
            return None
        user = decoded(user_from_wire, me)
        if session.auth_token == kept.auth_token:
            if signed:
                connector.keep_pass(signed)
            self._keep_session(replace(session, user=_without_secrets(me)))
        state = driver.state
        if state.mode is Mode.AUTO and state.phase not in (Phase.CONNECTING, Phase.RENEWING, Phase.OPEN):
            driver.feed(i.LoggedIn())
        return user

    async def _begin_anew(self, token: str) -> User:
        driver, _, _, connector = self._parts
        me, signed = await connector.me(token)
        session = Session(_without_secrets(me), token)
        user = decoded(user_from_wire, session.user)
        if not self._has_place(session.uid):
            session = replace(session, position=await self._position_now(token))
        connector.forget()
        connector.keep_pass(signed)
        self._begin(session)
        self._save()
        driver.feed(i.LoggedIn())
        return user

    def _has_place(self, uid: str) -> bool:
        # Whether there is a place from which a new session of this user goes on.
        known = (self._session, self._ended)
        return any(s is not None and s.uid == uid and s.position is not None for s in known)

    async def _position_now(self, token: str) -> Position | None:
        # Where the catch-up begins: from the login on nothing is missed (S2).
        return await position_now(self._reached().ask, token) if self._settings.catch_up else None

    def _begin(self, session: Session) -> None:
        incoming = self._parts[1]
        before, ended = self._session, self._ended
        position = session.position
        if before is not None and before.uid == session.uid:
            # The same user once more: from what was handed over last, nothing is missed and nothing comes twice.
            position = incoming.machine.position or position
            session = replace(session, position=self._served.position or position)
        elif ended is not None and ended.uid == session.uid:
            position = ended.position or position
            session = replace(session, position=position)
        if before is not None and before.uid != session.uid:
            self._forget_what_is_queued()
        self._session, self._ended = session, None
        self._served.begin(session.position, same=before is not None and before.uid == session.uid)
        incoming.begin_session(session.uid, position)
        if self._outbox is not None:
            self._outbox.begin(session.uid)

    async def logout(self, *, on_success: OnSuccess[str] = None, on_error: OnError = None) -> str:
        """End the session on this device: the connection closes, the saved session is forgotten.

        It ends here also when the server cannot be told; then its token lives on there until it is taken back.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN`.
        """
        return await settle(self._logout(), on_success, on_error)

    async def _logout(self) -> str:
        driver, incoming, queue, connector = self._parts
        try:
            token = self._logged_in().auth_token
        except CometChatException as e:
            queue.put(LoginNotice("logout_failure", (e,)))
            raise
        if self._outbox is not None:
            self._outbox.forget()
        self._forget_what_is_queued()
        self._session = self._ended = None
        self._served.begin(None)
        self._store.clear(self._identity.app_id)
        driver.feed(i.LoggedOut())
        incoming.begin_session("", None)
        connector.forget()
        try:
            await self._reached().ask("DELETE", "/me", token=token)
        except CometChatException as e:
            log.warning("logged out here, but the server could not be told: %s", e.code)
        queue.put(LoginNotice("logout_success"))
        log.info("logged out")
        return "Logout completed successfully"

    def _forget_what_is_queued(self) -> None:
        # What one user was sent is not handed over as the next one's; what is told of logins and the connection is.
        self._parts[2].forget(lambda entry: isinstance(entry, LoginNotice | StatusChanged | ConnectionChanged))

    def get_logged_in_user(self) -> User | None:
        """The user, or None. No I/O."""
        return decoded(user_from_wire, self._session.user) if self._session is not None else None

    def _keep_session(self, session: Session) -> None:
        """Keep a session, on the device too (for the parts of this client)."""
        raise NotImplementedError

    def _save(self) -> None:
        """Write the session to the device."""
        raise NotImplementedError


def _without_secrets(me: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in me.items() if k not in _SECRETS}
