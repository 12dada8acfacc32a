"""The store's migrations, one file a version, run by Alembic when a server starts.

Who may import it: nobody; `store.migrate` points Alembic at it.
Design page: server.md.
"""
