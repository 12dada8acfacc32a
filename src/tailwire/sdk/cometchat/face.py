"""`CometChat`: the documented static methods, which forward to one current client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.calls.current import set_current
from tailwire.sdk.calls.outcome import OnError, OnSuccess
from tailwire.sdk.calls.parts import gate_of, identity_of
from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import failure


class _Forward:
    """A class method that forwards to the current client's method of the same name."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self.__doc__ = getattr(ChatClient, name).__doc__

    def __get__(self, instance: object, owner: type[CometChat]) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(owner.require_client(), self._name)
        return method


class CometChat:
    """The documented static class. Each method forwards to the method of `ChatClient` with the same name.

    ```python
    await CometChat.init("app-id", settings)
    await CometChat.login("alice", auth_key="…")
    ```
    """

    client: ClassVar[ChatClient | None] = None
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
        """Make the current client. With the same app id and settings again it stays; otherwise it is closed first.

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

    @classmethod
    def require_client(cls) -> ChatClient:
        """Return the current client.

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
    is_pin_message_enabled = _Forward()
    is_save_message_enabled = _Forward()
    get_pinned_messages_limit = _Forward()
    get_saved_messages_limit = _Forward()
    add_reaction = _Forward()
    remove_reaction = _Forward()
    pin_message = _Forward()
    unpin_message = _Forward()
    save_message = _Forward()
    unsave_message = _Forward()
    subscribe_to_thread = _Forward()
    unsubscribe_from_thread = _Forward()
    get_flag_reasons = _Forward()
    flag_message = _Forward()
    mark_as_interacted = _Forward()
    get_last_delivered_message_id = _Forward()
    mark_message_as_unread = _Forward()
    mark_conversation_as_read = _Forward()
    mark_conversation_as_delivered = _Forward()
    get_message_receipts = _Forward()
    get_unread_message_count = _Forward()
    get_unread_message_count_for_user = _Forward()
    get_unread_message_count_for_group = _Forward()
    get_unread_message_count_for_all_users = _Forward()
    get_unread_message_count_for_all_groups = _Forward()
    get_conversation_from_message = _Forward()
    get_conversation = _Forward()
    tag_conversation = _Forward()
    delete_conversation = _Forward()
    pin_conversation = _Forward()
    unpin_conversation = _Forward()
    get_online_user_count = _Forward()
    update_user = _Forward()
    update_current_user_details = _Forward()
    block_users = _Forward()
    unblock_users = _Forward()
    delete_group = _Forward()
    create_group_with_members = _Forward()
    update_group = _Forward()
    transfer_group_ownership = _Forward()
    add_members_to_group = _Forward()
    kick_group_member = _Forward()
    ban_group_member = _Forward()
    unban_group_member = _Forward()
    update_group_member_scope = _Forward()
    get_online_group_member_count = _Forward()
    upload_attachments = _Forward()
    send_transient_message = _Forward()
    send_interactive_message = _Forward()
