"""Interfaces to what the server depends on: the store, the broker, uploaded files, time and chance; and refusals.

Who may import it: fanout, rules, actions, and the layers above them.
Read more: docs/project/architecture.md.
"""
