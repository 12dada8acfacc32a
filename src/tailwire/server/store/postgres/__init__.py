"""The store on PostgreSQL. Several server processes may share one database.

`lane` carries all writes that get ids or depend on what was read; `unit` describes one of them.
"""
