"""The store's migrations, one file for each schema version, run by Alembic when a server starts.

Who may import it: nothing; `store.migrate` points Alembic at it.
Read more: docs/project/architecture.md.
"""
