"""Use cases of the server, one module per noun: load, check permissions, store, publish.

Who may import it: rest, gateway, app, shutdown.
Read more: docs/project/specification.md
"""
