"""The implementations of `ports.broker`: in memory for a single process, over PostgreSQL or NATS for several.

Who may import it: app, and commands.
Read more: docs/project/architecture.md.
"""
