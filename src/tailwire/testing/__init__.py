"""Tools for testing: the invariants and their exploration, a virtual clock, a fault proxy, an embedded server.

Who may import it: cli, tui, and tests (ours and our users').
Design page: architecture.md.
"""
