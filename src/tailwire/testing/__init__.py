"""Tools for testing: the pytest plugin (docs/testing.md) and what it stands on; simulation, exploration, fault proxy.

Who may import it: cli, tui, and tests (ours and our users').
Design page: architecture.md.
"""
