"""`CometChat`: the documented static class over one current client."""

from __future__ import annotations

from typing import Any, ClassVar

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.current import set_current
from tailwire.sdk.calls.outcome import OnError, OnSuccess
from tailwire.sdk.calls.parts import gate_of, identity_of
from tailwire.sdk.client import ChatClient
from tailwire.sdk.cometchat.static_methods import StaticMethods


class CometChat(StaticMethods):
    """The documented static class. Each method calls the method of the same name of one `ChatClient`.

    ```python
    await CometChat.init("app-id", settings)
    await CometChat.login("alice", auth_key="…")
    ```
    """

    _made_with: ClassVar[tuple[str, AppSettings] | None] = None

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
        """Make the current client, and close the one before. With the same app id and settings, keep it.

        Args:
            app_id: the id of the app.
            settings: made by `AppSettingsBuilder`.
            options: the other arguments of `ChatClient`.

        Returns:
            "Initialization completed successfully".

        Raises:
            CometChatException: as `ChatClient.init`.
        """
        known = cls.client
        if known is not None and cls._made_with == (app_id, settings) and not gate_of(known).closed:
            return await known.init(on_success=on_success, on_error=on_error)
        if known is not None and identity_of(known).app_id == app_id:
            await cls.aclose()  # first: a saved session can be used by one client at a time
            known = None
        fresh = ChatClient(app_id, settings, **options)
        result = await fresh.init(on_success=on_success, on_error=on_error)
        if result is not None:
            if known is not None:
                await known.aclose()
            cls.client, cls._made_with = fresh, (app_id, settings)
            set_current(fresh)
        return result

    @classmethod
    async def aclose(cls) -> None:
        """Close the current client. Without one, do nothing."""
        client, cls.client = cls.client, None
        set_current(None)
        if client is not None:
            await client.aclose()
