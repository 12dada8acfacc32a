"""What all stores share: tables, reads and writes of a single statement, as SQL that each database understands.

Who may import it: the stores (`store.sqlite`, `store.postgres`), the migrations, and app.
Read more: docs/project/architecture.md.
"""
