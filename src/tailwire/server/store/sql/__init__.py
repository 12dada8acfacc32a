"""What the stores share: tables, reads, and writes of one statement, in SQL that SQLite and PostgreSQL understand.

A class `…Rows` has the methods of an interface of `ports` that need no more than that. Each store derives a class from
it, and adds the other methods.

Who may import it: the stores (`store.sqlite`, `store.postgres`), the migrations, app, and testing.
Read more: docs/project/architecture.md.
"""
