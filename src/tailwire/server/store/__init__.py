"""The store behind `ports.store`, on SQLite. All SQL of the server is here.

Methods that belong to an interface are documented there.

Who may import it: app only.
Read more: docs/project/architecture.md.
"""
