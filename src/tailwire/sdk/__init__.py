"""The SDK. `tailwire` itself exports its public names, and loads them when they are first used.

Who may import it: admin, adapters, sync, bot, testing, lab, cli, tui; never the server.
Read more: docs/sdk.md, docs/reliability.md, and docs/project/specification.md, whose rules the docstrings name by their
codes, such as K5.
"""
