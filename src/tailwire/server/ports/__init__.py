"""The interfaces between what the server decides and what it stands on: store, broker, the world, and refusals.

Who may import it: fanout, rules, actions and everything left of them.
Design page: server.md; architecture.md (Two doors, one way).
"""
