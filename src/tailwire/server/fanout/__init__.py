"""Delivers frames to the sockets of this process, with one write per socket and turn of the event loop.

Who may import it: actions, rest, gateway, shutdown and app; commands, and testing.
Read more: docs/server.md.
"""
