"""Blocking clients for scripts, Flask, Django, Tk and Qt. Each runs an async client in a thread of its own.

Who may import it: testing, cli, tui, and apps. It imports the SDK and the administration client, and no adapter.
Read more: docs/sync.md.
"""

from tailwire.sync.admin import Admin as Admin
from tailwire.sync.admin_bridge import Listing as Listing
from tailwire.sync.app_callbacks import Post as Post
from tailwire.sync.app_callbacks import WindowGone as WindowGone
from tailwire.sync.bridge import SyncTokenProvider as SyncTokenProvider
from tailwire.sync.client import Client as Client
from tailwire.sync.iterating import Iterating as Iterating
from tailwire.sync.live import LiveConversations as LiveConversations
from tailwire.sync.live import LiveMessages as LiveMessages
from tailwire.sync.proxies import Connection as Connection
from tailwire.sync.proxies import ListRequest as ListRequest
from tailwire.sync.proxies import OutboxEntry as OutboxEntry
from tailwire.sync.proxies import Request as Request
from tailwire.sync.proxies import UploadFileRequest as UploadFileRequest
from tailwire.sync.qt import post_qt as post_qt
from tailwire.sync.tk import post_tk as post_tk

__all__ = [
    "Admin", "Client", "Connection", "Iterating", "ListRequest", "Listing", "LiveConversations", "LiveMessages",
    "OutboxEntry", "Post", "Request", "SyncTokenProvider", "UploadFileRequest", "WindowGone", "post_qt", "post_tk",
]  # fmt: skip
