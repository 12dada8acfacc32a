"""WebSockets: the upgrade, frames in, and the sweep that watches over them.

Who may import it: shutdown and app.
Design page: server.md (One port; What a connection costs); wire.md.
"""
