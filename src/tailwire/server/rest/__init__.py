"""HTTP: one module a resource; `hot` for the few measured ones.

Who may import it: shutdown and app.
Design page: wire.md; facts-rest.md.
"""
