"""Stores uploaded files in a folder or in a bucket of S3, and makes thumbnails.

Who may import it: app, and commands.
Read more: docs/server.md; the interface is `ports/uploads.py`.
"""
