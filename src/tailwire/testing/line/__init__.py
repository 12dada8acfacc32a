"""The line between a client and its server, which can go wrong: the proxy, its shape, its HTTP control.

Who may import it: cli, and tests (ours and our users').
Design page: architecture.md (testing/); docs/testing.md.
"""
