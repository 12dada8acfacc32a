"""The HTTP API: the protocol, request and response types, and one module of operations per resource.

Who may import it: web, shutdown and app.
Read more: docs/server.md, docs/reference/compatibility.md
"""
