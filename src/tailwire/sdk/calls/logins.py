"""Log in and out: begin, resume and end a session."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from tailwire.sdk.calls.checks import check_secret, decoded, quoted
from tailwire.sdk.calls.pages import fetch_position
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.state import Mode, Phase
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.callbacks import LateListener, LoginNotice, StatusChanged
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.listeners.events import ConnectionChanged
from tailwire.sdk.retry import RETRYABLE_CODES, TOKEN_REJECTED_CODES
from tailwire.sdk.session import Session
from tailwire.wire.codec import user_from_wire
from tailwire.wire.entities import User
from tailwire.wire.identifiers import stored_id

log = logging.getLogger("tailwire")

_SECRET_FIELDS = ("authToken", "jwt", "wsChannel")


class LoginCalls:
    """The calls that begin and end sessions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._logging_in = False

    async def login(self, uid: str, *, auth_key: str) -> User:
        """Log a user in with the app's auth key. For development: the key must not be part of an app that you ship.

        If the user is logged in on this device already, their saved session continues: it keeps its token, unless the
        server rejects it, and messages that were missed arrive as events. The session of another user ends on this
        device.

        ```python
        await chat.login("alice", auth_key="…")
        await chat.wait_connected(10)
        ```

        Args:
            uid: the uid of the user, who must exist already.
            auth_key: the app's auth key.

        Returns:
            The user. The connection opens independently: see `wait_connected`.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` before `init()`; `LOGIN_IN_PROGRESS` while another
                login runs; `ERR_INVALID_ARGUMENT` when the uid or the key is not text, or the key contains a line break
                or another character that no key has; `ERR_UID_NOT_FOUND` when the user does not exist;
                `AUTH_ERR_APIKEY_NOT_FOUND` when the auth key is wrong, `AUTH_ERR_INVALID_APPID` when the app id is
                wrong; `ERR_BAD_ERROR_RESPONSE` when the response cannot be read; `SESSION_NOT_READ` when the user's
                queued messages cannot be read from this device: then nothing is changed; `NO_INTERNET_CONNECTION` when
                the server is not reached, except when the user is logged in already; or another code of the server.
        """

        check_secret("auth_key", auth_key)

        async def get_token() -> str:
            body = {"platform": "python", "deviceId": self._parts.identity.resource}
            path = f"/users/{quoted(uid)}/auth_tokens"
            answer = await self._parts.http.ask("POST", path, key=auth_key, body=body)
            if not isinstance(answer, dict) or not isinstance(answer.get("authToken"), str):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer contains no auth token.")
            return str(answer["authToken"])

        return await self._login(get_token, lambda session: session.uid == stored_id(uid))

    async def login_with_auth_token(self, auth_token: str) -> User:
        """Log a user in with an auth token that your backend made. For production.

        If the user is logged in on this device already, their saved session continues, with this token, and messages
        that were missed arrive as events. The session of another user ends on this device.

        Args:
            auth_token: the user's auth token, made with the server's REST API.

        Returns:
            The user. The connection opens independently: see `wait_connected`.

        Raises:
            CometChatException: as for `login`; `AUTH_ERR_AUTH_TOKEN_NOT_FOUND` when the server does not know the token.
        """

        check_secret("auth_token", auth_token)

        async def get_token() -> str:
            return auth_token

        return await self._login(get_token, lambda session: session.auth_token == auth_token)

    async def _login(self, get_token: Callable[[], Awaitable[str]], stays: Callable[[Session], bool]) -> User:
        queue = self._parts.queue
        if self._logging_in:
            raise failure("LOGIN_IN_PROGRESS")
        self._logging_in = True
        queue.hold()  # apps add their listeners after login() returns: call none before
        try:
            kept = self._parts.sessions.current
            user = None
            if kept is not None and not kept.expired and stays(kept):
                user = await self._resume(kept)
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

    async def _resume(self, kept: Session) -> User | None:
        # Returns None when the token of the kept session is rejected, or the session has ended meanwhile.
        driver, connector, sessions = self._parts.driver, self._parts.connector, self._parts.sessions
        try:
            me, signed_pass = await connector.fetch_me(kept.auth_token)
        except CometChatException as e:
            if e.code in TOKEN_REJECTED_CODES:
                return None
            if e.code not in RETRYABLE_CODES:
                raise
            log.warning("the saved session of %s is kept, because the server could not be reached: %s", kept.uid, e)
            me, signed_pass = kept.user, ""
        session = sessions.current
        if session is None or session.expired or session.uid != kept.uid:
            return None
        user = decoded(user_from_wire, me)
        if session.auth_token == kept.auth_token:
            if signed_pass:
                connector.cache_pass(signed_pass)
            sessions.replace(replace(session, user=_without_secrets(me)))
        state = driver.state
        if state.mode is Mode.AUTO and state.phase not in (Phase.CONNECTING, Phase.RENEWING, Phase.OPEN):
            driver.feed(i.LoggedIn())
        return user

    async def _begin_anew(self, token: str) -> User:
        connector = self._parts.connector
        me, signed_pass = await connector.fetch_me(token)
        session = Session(_without_secrets(me), token)
        user = decoded(user_from_wire, session.user)
        if not self._has_position(session.uid):
            session = replace(session, position=await self._fetch_position(token))
        self._begin(session)
        connector.clear_cache()
        connector.cache_pass(signed_pass)
        self._parts.sessions.save()
        self._parts.driver.feed(i.LoggedIn())
        return user

    def _has_position(self, uid: str) -> bool:
        # Whether there is a position from which a new session of this user resumes.
        known = (self._parts.sessions.current, self._parts.sessions.expired_session)
        return any(s is not None and s.uid == uid and s.position is not None for s in known)

    async def _fetch_position(self, token: str) -> Position | None:
        # Catch-up begins here: nothing is missed after the login (S2).
        return await fetch_position(self._parts.http.ask, token) if self._parts.settings.catch_up else None

    def restore(self) -> None:
        """Resume the saved session, without a request. In auto mode, the connection then opens in the background.

        Without a saved session, or if it is invalid (which is logged), do nothing. If the server has rejected the token
        of the session, keep it in memory only, so that the next login of the same user continues from its position.

        Raises:
            CometChatException: `SESSION_NOT_READ` if the session or the queued messages cannot be read.
        """
        sessions = self._parts.sessions
        saved = sessions.load()
        if saved is None:
            return
        try:
            session = Session.from_saved(saved)
            decoded(user_from_wire, session.user)
        except (ValueError, CometChatException) as e:
            log.warning("the saved session is ignored, it is invalid: %s", e)
            return
        if session.expired:
            sessions.expired_session = session
            return
        self._begin(session)
        self._parts.driver.feed(i.SessionRestored())

    def _begin(self, session: Session) -> None:
        sessions, incoming, outbox = self._parts.sessions, self._parts.incoming, self._parts.outbox
        queued = outbox.load(session.uid) if outbox is not None else None  # may raise: before anything is changed
        previous, expired = sessions.current, sessions.expired_session
        position = session.position
        if previous is not None and previous.uid == session.uid:
            # The same user: resume after the last event that was handed over, without gaps or repetitions.
            position = incoming.machine.position or position
            session = replace(session, position=sessions.served.position or position)
        elif expired is not None and expired.uid == session.uid:
            position = expired.position or position
            session = replace(session, position=position)
        if previous is not None and previous.uid != session.uid:
            self._drop_queued_events()
        sessions.current, sessions.expired_session = session, None
        sessions.served.begin(session.position, same_user=previous is not None and previous.uid == session.uid)
        incoming.begin_session(session.uid, position)
        if outbox is not None:
            outbox.begin(session.uid, queued)

    async def logout(self) -> str:
        """End the session on this device: close the connection, and delete the saved session and queued messages.

        The session also ends here if the server cannot be reached; its token then stays valid on the server until it
        is revoked there.

        Returns:
            A human-readable text, which may change: do not compare it.

        Raises:
            CometChatException: `USER_NOT_LOGGED_IN` when no user is logged in.
        """
        queue, connector, sessions = self._parts.queue, self._parts.connector, self._parts.sessions
        try:
            token = sessions.require().auth_token
        except CometChatException as e:
            queue.put(LoginNotice("logout_failure", (e,)))
            raise
        if self._parts.outbox is not None:
            self._parts.outbox.discard_all()
        self._drop_queued_events()
        sessions.clear()
        self._parts.driver.feed(i.LoggedOut())
        self._parts.incoming.begin_session("", None)
        connector.clear_cache()
        try:
            await self._parts.http.ask("DELETE", "/me", token=token)
        except CometChatException as e:
            log.warning("logged out on this device, but the token may still be valid on the server: %s", e)
        queue.put(LoginNotice("logout_success"))
        log.info("logged out")
        return "Logout completed successfully"

    def _drop_queued_events(self) -> None:
        # Events of one user are not handed over to the next; those about logins and the connection are.
        kept = LoginNotice | StatusChanged | LateListener | ConnectionChanged
        self._parts.queue.keep_only(lambda entry: isinstance(entry, kept))
        self._parts.streams.end_session()


def _without_secrets(me: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in me.items() if k not in _SECRET_FIELDS}
