"""CometChat's static classes `CometChat` and `CometChatNotifications`, over one `ChatClient`; names in snake_case.

Who may import it: only `tailwire`, which exports it.
Read more: docs/sdk.md.
"""

from tailwire.sdk.cometchat.face import CometChat
from tailwire.sdk.cometchat.notifications import CometChatNotifications

__all__ = ["CometChat", "CometChatNotifications"]
