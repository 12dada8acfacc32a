"""The class `CometChat`, with static methods like those of CometChat's own SDKs. They call one current client."""

from __future__ import annotations

from typing import Any, ClassVar, overload

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.current import set_current
from tailwire.sdk.calls.outcome import OnError, OnSuccess, with_callbacks
from tailwire.sdk.calls.parts import gate_of, identity_of
from tailwire.sdk.client import ChatClient
from tailwire.sdk.cometchat.static_methods import StaticMethods


class CometChat(StaticMethods):
    """The class of static methods that CometChat's own SDKs have, for apps that use one client only.

    `init()` creates the current client, a `ChatClient`. Each other method calls the method of this client with the same
    name.

    Async methods also take CometChat's callbacks: `on_success` is called with the result, and `on_error` with the
    `CometChatException`. With `on_error` the exception is not raised, and the call returns None. Both are plain
    functions, called before the method returns; an exception of theirs is raised by the method.

    ```python
    await CometChat.init("app-id", settings)
    await CometChat.login("alice", auth_key="…")
    ```
    """

    _init_arguments: ClassVar[tuple[str, AppSettings] | None] = None

    @overload
    @classmethod
    async def init(
        cls,
        app_id: str,
        settings: AppSettings,
        *,
        on_success: OnSuccess[str] = None,
        on_error: None = None,
        **options: Any,
    ) -> str: ...
    @overload
    @classmethod
    async def init(
        cls,
        app_id: str,
        settings: AppSettings,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError,
        **options: Any,
    ) -> str | None: ...
    @classmethod
    async def init(
        cls,
        app_id: str,
        settings: AppSettings,
        *,
        on_success: OnSuccess[str] = None,
        on_error: OnError = None,
        **options: Any,
    ) -> str | None:
        """Create and initialize the current client, and close the previous one.

        With the same app id and settings the current client is kept, and `options` are ignored. A client whose event
        loop has been closed, as `asyncio.run()` does at its end, is always replaced.

        Args:
            app_id: the id of the app.
            settings: made by `AppSettingsBuilder`.
            on_success: called with the result.
            on_error: called with the exception, which is then not raised.
            options: the other arguments of `ChatClient`.

        Returns:
            "Initialization completed successfully"; None after `on_error` was called.

        Raises:
            CometChatException: as for `ChatClient.init`, without `on_error`; `ERR_WRONG_EVENT_LOOP` while the current
                client is used on another event loop.
        """
        return await with_callbacks(lambda: cls._init(app_id, settings, options), on_success, on_error)

    @classmethod
    async def _init(cls, app_id: str, settings: AppSettings, options: dict[str, Any]) -> str:
        known = cls.client
        if known is not None and gate_of(known).is_stranded:
            await cls.aclose()
            known = None
        if known is not None:
            gate_of(known).check_readable()
        if known is not None and cls._init_arguments == (app_id, settings) and not gate_of(known).closed:
            return await known.init()
        if known is not None and identity_of(known).app_id == app_id:
            await cls.aclose()  # first: a saved session can be used by one client at a time
            known = None
        fresh = ChatClient(app_id, settings, **options)
        result = await fresh.init()
        if known is not None:
            await known.aclose()
        cls._init_arguments = (app_id, settings)
        set_current(fresh)
        return result

    @classmethod
    async def aclose(cls) -> None:
        """Close the current client. Without one, do nothing.

        Raises:
            CometChatException: `ERR_WRONG_EVENT_LOOP` on another event loop than that of `init()`, while that is open.
        """
        client = cls.client
        if client is not None:
            gate_of(client).check_closable()  # a client that is refused stays the current one
        set_current(None)
        if client is not None:
            await client.aclose()
