"""Use cases of the server, one module per noun: load, check permissions, store, publish.

Who may import it: rest, gateway, web, shutdown and app; commands, and testing.
Read more: docs/project/specification.md
"""
