"""The SDK: what an app imports. Its public names are re-exported, lazily, by `tailwire` itself.

Who may import it: adapters, sync, testing, cli, tui; never the server.
Design pages: api.md, connection.md.
"""
