"""WebSockets: the upgrade, frames from clients, and the sweep that finds dead sockets.

Who may import it: shutdown, app, and testing.
Read more: docs/server.md.
"""
