"""The store on PostgreSQL, which several server processes may share.

`lane` carries all writes that get ids or depend on what was read; `unit` describes one of those; `database` reads.
Methods that belong to an interface of `ports` or of `store.sql` are documented there.

Who may import it: app, and testing.
Read more: docs/project/architecture.md.
"""
