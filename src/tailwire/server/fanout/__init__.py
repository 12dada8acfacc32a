"""Delivers frames to the sockets of this process, with one write per socket and turn of the event loop.

Who may import it: actions, gateway and app.
Read more: docs/server.md.
"""
