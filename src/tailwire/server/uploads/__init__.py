"""Stores uploaded files in a folder, and makes thumbnails.

Who may import it: app.
Read more: docs/server.md; the interface is `ports/uploads.py`.
"""
