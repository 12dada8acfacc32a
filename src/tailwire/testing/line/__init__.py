"""The line between a client and its server, which can go wrong: the proxy, the frames that it knows, its HTTP control.

Who may import it: cli, and tests (ours and our users').
Design page: architecture.md (testing/); docs/testing.md.
"""
