"""Permissions and validation: who may do what, and what is valid. Its functions are pure: no I/O, no clock.

Who may import it: auth, actions, rest, gateway and app.
Read more: docs/project/specification.md, docs/server.md
"""
