"""Blocking clients for scripts, Flask, Django, Tk, Qt and any thread: `ChatClient` and `Admin` on threads of their own.

Who may import it: testing, cli, tui, and apps. It knows the SDK and the backend's client, and no adapter.
Design page: docs/sync.md; architecture.md.
"""

from tailwire.sync.admin import Admin as Admin
from tailwire.sync.admin_bridge import Listing as Listing
from tailwire.sync.bridge import SyncTokenProvider as SyncTokenProvider
from tailwire.sync.client import Client as Client
from tailwire.sync.faces import Connection as Connection
from tailwire.sync.faces import ListRequest as ListRequest
from tailwire.sync.faces import OutboxEntry as OutboxEntry
from tailwire.sync.faces import Request as Request
from tailwire.sync.faces import UploadFileRequest as UploadFileRequest
from tailwire.sync.iterating import Iterating as Iterating
from tailwire.sync.live import LiveConversations as LiveConversations
from tailwire.sync.live import LiveMessages as LiveMessages
from tailwire.sync.outlet import Post as Post
from tailwire.sync.qt import post_qt as post_qt
from tailwire.sync.tk import post_tk as post_tk

__all__ = [
    "Admin", "Client", "Connection", "Iterating", "ListRequest", "Listing", "LiveConversations", "LiveMessages",
    "OutboxEntry", "Post", "Request", "SyncTokenProvider", "UploadFileRequest", "post_qt", "post_tk",
]  # fmt: skip
