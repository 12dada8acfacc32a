"""The store on PostgreSQL, which several server processes may share.

`lane` sends the writes that need message ids or depend on what was read, and `unit` describes such a write. `database`
reads, and makes writes of one statement.
Methods that belong to an interface of `ports` or of `store.sql` are documented there.

Who may import it: app, and testing.
Read more: docs/project/architecture.md.
"""
