"""The store behind `ports.store`. All SQL of the server is here.

`sql` holds what does not depend on the database, `sqlite` and `postgres` the two stores, `migrations` their schema.

Who may import it: app, commands, and testing.
Read more: docs/project/architecture.md.
"""
