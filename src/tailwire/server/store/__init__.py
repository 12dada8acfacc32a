"""The store behind `ports.store`. Only here is SQL.

Who may import it: app alone.
Design page: server.md (The way of a message).
"""
