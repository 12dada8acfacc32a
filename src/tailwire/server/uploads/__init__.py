"""Where uploaded files are kept: a folder.

Who may import it: app.
Design page: server.md (embedded by default); the interface is `ports/uploads.py`.
"""
