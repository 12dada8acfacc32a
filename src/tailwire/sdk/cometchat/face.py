"""`CometChat`: the documented names over the one current client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.access import OnError, OnSuccess
from tailwire.sdk.calls.current import set_current
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import failure


class _Forward:
    """A class method that calls the current client's method of the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self.__doc__ = getattr(ChatClient, name).__doc__

    def __get__(self, instance: object, owner: type[CometChat]) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(owner.require_client(), self._name)
        return method


class CometChat:
    """The documented static class. Each method does what `ChatClient`'s method of the same name does.

    ```python
    await CometChat.init("app-id", settings)
    await CometChat.login("alice", auth_key="…")
    ```
    """

    client: ClassVar[ChatClient | None] = None

    @classmethod
    async def init(
        cls,
        app_id: str,
        settings: AppSettings,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
        **options: Any,
    ) -> str:
        """Begin. The same app id and settings again: success at once; others: the client before is closed.

        Args:
            options: as `ChatClient`.
        """
        known = cls.client
        if known is not None and (known.identity.app_id, known._settings, known._closed) == (app_id, settings, False):
            return await known.init(on_success=on_success, on_error=on_error)
        fresh = ChatClient(app_id, settings, **options)
        result = await fresh.init(on_success=on_success, on_error=on_error)
        if result is not None:
            if known is not None:
                await known.aclose()
            cls.client = fresh
            set_current(fresh)
        return result

    @classmethod
    async def aclose(cls) -> None:
        """Close the current client."""
        client, cls.client = cls.client, None
        set_current(None)
        if client is not None:
            await client.aclose()

    @classmethod
    def require_client(cls) -> ChatClient:
        """The current client.

        Raises:
            CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`.
        """
        if cls.client is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return cls.client

    login = _Forward()
    login_with_auth_token = _Forward()
    logout = _Forward()
    get_logged_in_user = _Forward()
    connect = _Forward()
    disconnect = _Forward()
    ping = _Forward()
    get_connection_status = _Forward()
    set_app_state = _Forward()
    set_network = _Forward()
    add_connection_listener = _Forward()
    remove_connection_listener = _Forward()
    add_login_listener = _Forward()
    remove_login_listener = _Forward()
    add_user_listener = _Forward()
    remove_user_listener = _Forward()
    add_group_listener = _Forward()
    remove_group_listener = _Forward()
    add_message_listener = _Forward()
    remove_message_listener = _Forward()
    send_message = _Forward()
    send_media_message = _Forward()
    send_custom_message = _Forward()
    edit_message = _Forward()
    delete_message = _Forward()
    get_message = _Forward()
    start_typing = _Forward()
    end_typing = _Forward()
    mark_as_delivered = _Forward()
    mark_as_read = _Forward()
    create_group = _Forward()
    get_group = _Forward()
    join_group = _Forward()
    leave_group = _Forward()
    get_user = _Forward()
    create_user = _Forward()
    events = _Forward()
