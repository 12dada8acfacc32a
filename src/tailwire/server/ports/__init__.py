"""Interfaces to what the server depends on: the store, the broker, uploaded files, time and chance; and refusals.

Who may import it: all packages of the server, commands, and testing.
Read more: docs/project/architecture.md.
"""
