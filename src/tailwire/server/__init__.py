"""The self-hosted server. `app.py` puts the parts together and is the only one who knows all of them.

Who may import it: testing, cli. It imports `wire` and nothing of the SDK.
Design pages: server.md, wire.md, architecture.md (Two doors, one way).
"""
