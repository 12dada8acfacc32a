"""WebSockets: the upgrade, frames from clients, and the periodic check that closes dead sockets.

Who may import it: shutdown, app, and testing.
Read more: docs/server.md.
"""
