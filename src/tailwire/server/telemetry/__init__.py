"""Metrics and logs.

Who may import it: every package of the server but config.
Read more: docs/server.md.
"""
