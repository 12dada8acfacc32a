"""The parts that all stores share: tables, reads, and writes of one statement, as SQL that each database understands.

Who may import it: the stores (`store.sqlite`, `store.postgres`), the migrations, app, and testing.
Read more: docs/project/architecture.md.
"""
